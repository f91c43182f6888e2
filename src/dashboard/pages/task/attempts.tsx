import type { TaskAttempt, TaskDetail } from '../../../client/index.ts'
import { CopyButton } from '../../components/copy-button.tsx'
import { ExecutorName } from '../../components/executor-name.tsx'
import { LongText } from '../../components/foreign.tsx'
import { Elapsed, Instant } from '../../components/time.tsx'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { isActive } from './use-task-feed.ts'

const SHOWN = 50

/** Newest first; the one that failed last is open. What the page shows above as the error is not repeated. */
export function Attempts({ task }: { task: TaskDetail }) {
  const text = useText()
  const attempts = task.attempts.toReversed()
  const lastFailed = attempts.find(({ error }) => error !== null)
  const above = findShown(task)
  return (
    <section className="card">
      <h2>{text.detail.attempts}</h2>
      {attempts.length === 0 && (
        <p className="muted">{isActive(task) ? text.detail.noAttempts : text.detail.neverStarted}</p>
      )}
      <div className="attempts">
        {attempts.slice(0, SHOWN).map((attempt) => (
          <AttemptEntry
            key={attempt.attempt}
            attempt={attempt}
            isOpen={attempt === lastFailed}
            isAbove={attempt.attempt === above?.attempt}
          />
        ))}
      </div>
      {attempts.length > SHOWN && (
        <p className="muted">{text.detail.moreAttempts(attempts.length - SHOWN)}</p>
      )}
    </section>
  )
}

/** The attempt whose error the task has, and the page shows first. */
export function findShown({ status, error, attempts }: TaskDetail): TaskAttempt | undefined {
  return status === 'completed'
    ? undefined
    : attempts.findLast((one) => one.error !== null && one.error === error)
}

function AttemptEntry(props: { attempt: TaskAttempt; isOpen: boolean; isAbove: boolean }) {
  const { attempt, isOpen, isAbove } = props
  const text = useText()
  const { error, stack } = attempt
  const head = <AttemptHead attempt={attempt} />
  if (error === null || isAbove) return <div className="attempt">{head}</div>
  return (
    <details className="attempt" open={isOpen}>
      <summary>{head}</summary>
      <div className="attempt-error">
        <pre>
          <LongText text={visible(error)} />
        </pre>
        <CopyButton value={stack ?? error} what={stack ? text.detail.stack : text.detail.error} />
      </div>
      {stack && <Stack stack={stack} />}
    </details>
  )
}

export function Stack({ stack }: { stack: string }) {
  const text = useText()
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard
    <section className="stack" tabIndex={0} aria-label={text.detail.stack}>
      <pre>
        <LongText text={visible(stack)} />
      </pre>
    </section>
  )
}

function AttemptHead({ attempt: given }: { attempt: TaskAttempt }) {
  const text = useText()
  const { attempt, startedAt, endedAt, outcome, executorId } = given
  const kind =
    outcome === null ? 'running' : outcome === 'timed_out' || outcome === 'lost' ? 'failed' : outcome
  return (
    <span className="attempt-head">
      <span className={`badge badge-${kind === 'interrupted' || kind === 'sleeping' ? 'scheduled' : kind}`}>
        <span className="dot" aria-hidden="true" />
        {text.outcome[outcome ?? 'running']}
      </span>
      <span className="strong">{text.detail.attempt(attempt)}</span>
      <span className="muted">
        <Instant at={startedAt} />
      </span>
      <span className="muted">
        <Elapsed from={startedAt} to={endedAt} />
      </span>
      {executorId !== undefined && (
        <span className="muted">
          <ExecutorName id={executorId} />
        </span>
      )}
    </span>
  )
}
