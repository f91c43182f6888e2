import { useState } from 'react'
import type { TaskDetail, TaskStep } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { Name } from '../../components/foreign.tsx'
import { Elapsed } from '../../components/time.tsx'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { useReadOnly } from '../../state/server-state.tsx'
import { change, notify } from '../../state/toasts.ts'
import { isActive } from './use-task-feed.ts'

const SHOWN = 50
const START = 'start'

/** Newest first. Those of a task that is over can be retried from. */
export function Steps(props: {
  task: TaskDetail
  isStopping: boolean
  onChange: (task: TaskDetail) => void
}) {
  const { task, isStopping, onChange } = props
  const text = useText()
  const isReadOnly = useReadOnly()
  const [isBusy, setBusy] = useState(false)
  const { steps, stepCount } = task
  if (stepCount === 0) return null

  const retryFrom = async (from: string) => {
    if (isBusy) return
    setBusy(true)
    const changed = await change(() => client.retryTask(task.taskId, { from }))
    setBusy(false)
    if (!changed) return
    onChange(changed)
    notify(text.detail.isRetried)
  }
  const mayRetry = !isActive(task) && !isStopping && !isReadOnly
  const first = stepCount - steps.length
  const entries = steps.map((step, i) => ({ step, number: first + i + 1, resumed: isResumed(steps, i) }))
  return (
    <section className="card">
      <div className="card-head">
        <h2>{text.detail.steps(stepCount)}</h2>
        {mayRetry && (
          <button type="button" className="ghost" onClick={() => void retryFrom(START)}>
            {text.detail.retryFromStart}
          </button>
        )}
      </div>
      <ol className="attempts steps" reversed>
        {entries
          .slice(-SHOWN)
          .reverse()
          .map((entry) => (
            <StepEntry
              key={`${entry.step.attempt} ${entry.step.name}`}
              {...entry}
              onRetry={mayRetry ? retryFrom : undefined}
            />
          ))}
      </ol>
    </section>
  )
}

function StepEntry(props: {
  step: TaskStep
  number: number
  resumed: boolean
  onRetry: ((from: string) => Promise<void>) | undefined
}) {
  const { step, number, resumed, onRetry } = props
  const text = useText()
  return (
    <li value={number} className="attempt-head">
      <Name className="strong" text={step.name} />
      <span className="muted">{text.detail.attempt(step.attempt)}</span>
      <span className="muted">
        <Elapsed from={step.startedAt} to={step.endedAt} />
      </span>
      {resumed && <span className="badge badge-retrying">{text.detail.resumedAt(number)}</span>}
      {onRetry && (
        <button
          type="button"
          className="ghost"
          aria-label={text.detail.retryFromStep(visible(step.name))}
          onClick={() => void onRetry(step.name)}
        >
          {text.detail.retryFrom}
        </button>
      )}
    </li>
  )
}

/** A later attempt than that of the step before finished it. */
function isResumed(steps: readonly TaskStep[], i: number): boolean {
  const [before, step] = [steps[i - 1], steps[i]]
  return before !== undefined && step !== undefined && step.attempt > before.attempt
}
