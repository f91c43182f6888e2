import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { BulkResponse } from '../../../client/index.ts'
import type { BulkAction } from '../../../contract/bulk.ts'
import { client } from '../../client.ts'
import { Confirm } from '../../components/dialog.tsx'
import { Icon } from '../../components/icon.tsx'
import { Link } from '../../components/link.tsx'
import type { Dictionary } from '../../i18n/en.ts'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import type { TaskFilter } from '../../requests.ts'
import { queryClient, statsQuery } from '../../state/queries.ts'
import { attempt, change, notify } from '../../state/toasts.ts'
import { linkTo, listRefusals, MAX_TASKS, undoOf } from '../tasks/after-bulk.ts'

interface Props {
  readonly taskType: string
  /** Undefined: it is not registered in the process that was asked, and cannot be paused. */
  readonly paused: boolean | undefined
  /** Words beside the icons, where there is room. */
  readonly isWide?: boolean
}

export function TypeActions(props: Props) {
  const { taskType, paused, isWide = false } = props
  const text = useText()
  const counts = useQuery(statsQuery).data?.byType.find((one) => one.taskType === taskType)
  const [asked, setAsked] = useState<'cancel' | 'retry'>()
  const isKnown = paused !== undefined
  return (
    <>
      {isKnown && <PauseButton {...props} paused={paused} />}
      {isKnown && (counts?.pending ?? 0) > 0 && (
        <ActionButton
          icon="stop"
          words={paused ? text.types.cancelPending : text.types.pauseAndCancel}
          {...{ taskType, isWide }}
          onClick={() => setAsked('cancel')}
        />
      )}
      {(counts?.failed ?? 0) > 0 && (
        <ActionButton
          icon="retry"
          words={text.types.retryFailed}
          {...{ taskType, isWide }}
          onClick={() => setAsked('retry')}
        />
      )}
      {isKnown && (
        <Link className="button small" to={{ view: 'new', type: taskType }}>
          <Icon name="plus" />
          {text.app.newTask}
          <span className="visually-hidden"> {taskType}</span>
        </Link>
      )}
      {asked && counts && (
        <ChangeMany
          {...props}
          action={asked}
          count={counts[asked === 'cancel' ? 'pending' : 'failed']}
          onClose={() => setAsked(undefined)}
        />
      )}
    </>
  )
}

function ActionButton(props: {
  icon: 'stop' | 'retry'
  words: string
  taskType: string
  isWide: boolean
  onClick: () => void
}) {
  const { icon, words, taskType, isWide, onClick } = props
  return (
    <button
      type="button"
      className={isWide ? 'small' : 'small icon-only'}
      title={isWide ? '' : words}
      onClick={onClick}
    >
      <Icon name={icon} />
      <span className={isWide ? '' : 'visually-hidden'}>{words}</span>
      <span className="visually-hidden"> {taskType}</span>
    </button>
  )
}

function PauseButton({ taskType, paused }: Props & { paused: boolean }) {
  const text = useText()
  const toggle = async () => {
    const changed = await change(() =>
      paused ? client.resumeTaskType(taskType) : client.pauseTaskType(taskType),
    )
    if (changed) notify(changed.paused ? text.types.isPaused(taskType) : text.types.isResumed(taskType))
  }
  return (
    <button
      type="button"
      className="small"
      title={paused ? '' : text.types.pauseHint}
      onClick={() => void toggle()}
    >
      <Icon name={paused ? 'play' : 'pause'} />
      {paused ? text.types.resume : text.types.pause}
      <span className="visually-hidden"> {taskType}</span>
    </button>
  )
}

/** Asks first, with the number of tasks. */
function ChangeMany(props: Props & { action: 'cancel' | 'retry'; count: number; onClose: () => void }) {
  const { taskType, paused, action, count, onClose } = props
  const text = useText()
  const [isBusy, setBusy] = useState(false)
  const pauses = action === 'cancel' && paused === false
  const carryOut = async () => {
    setBusy(true)
    const isReady = !pauses || (await attempt(() => client.pauseTaskType(taskType))) !== undefined
    if (isReady) await changeAll(action, taskType, count, text)
    void queryClient.invalidateQueries()
    onClose()
  }
  const name = visible(taskType)
  return (
    <Confirm
      title={pauses ? text.types.confirmPauseAndCancel(name, count) : text.actions.confirm[action](count)}
      details={`${pauses ? `${text.types.pauseHint} ` : ''}${text.types.confirmText[action](name)}`}
      action={text.actions.doIt[action](count)}
      danger={action === 'cancel'}
      busy={isBusy}
      onConfirm={() => void carryOut()}
      onClose={onClose}
    />
  )
}

/** As many calls as the count needs: what has failed again meanwhile is not retried once more. */
async function changeAll(
  action: BulkAction & ('cancel' | 'retry'),
  taskType: string,
  count: number,
  text: Dictionary,
): Promise<void> {
  const filter: TaskFilter = { taskType, status: [action === 'cancel' ? 'pending' : 'failed'] }
  const results: BulkResponse['results'] = []
  let more = false
  for (let call = 0; call < Math.ceil(count / MAX_TASKS); call += 1) {
    const response = await attempt(() => client.bulkTasks({ action, filter }))
    if (!response) break
    results.push(...response.results)
    more = response.more
    if (!more || !response.results.some(({ ok }) => ok)) break
  }
  const done = results.flatMap(({ taskId, ok }) => (ok ? [taskId] : []))
  const to = linkTo(done) ?? { type: taskType, status: action === 'cancel' ? 'cancelled' : undefined }
  const words = [text.actions.done[action](done.length), ...(more ? [text.actions.more] : [])]
  notify(words.join('. '), 'done', { to, undo: undoOf(results, text) })
  const refused = listRefusals(results, text)
  if (refused !== '') notify(refused, 'problem')
}
