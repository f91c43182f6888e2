import { useState } from 'react'
import type { TaskDetail } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { Confirm } from '../../components/dialog.tsx'
import { Icon } from '../../components/icon.tsx'
import { Link } from '../../components/link.tsx'
import type { Dictionary } from '../../i18n/en.ts'
import { useText } from '../../i18n/text.ts'
import { useNow } from '../../state/clock.ts'
import { LIVE, queryClient } from '../../state/queries.ts'
import { go } from '../../state/route.ts'
import { attempt, change, notify } from '../../state/toasts.ts'
import { restore } from '../tasks/after-bulk.ts'
import { ChangeDialog } from './change-dialog.tsx'

export function Actions(props: {
  task: TaskDetail
  isStopping: boolean
  onChange: (task: TaskDetail) => void
}) {
  const { task, isStopping, onChange } = props
  const text = useText()
  const [isBusy, setBusy] = useState(false)
  const [isChanging, setChanging] = useState(false)
  const isActive = task.status === 'pending' || task.status === 'running'

  // The buttons stay enabled meanwhile: one that is disabled loses the focus.
  const steer = async (what: () => Promise<TaskDetail>, done: string) => {
    if (isBusy || isStopping) return
    setBusy(true)
    const changed = await change(what)
    setBusy(false)
    if (!changed) return
    onChange(changed)
    notify(done, 'done', undoOf(task, changed, text))
  }
  const cancel = () => steer(() => client.cancelTask(task.taskId), text.detail.isCancelled)
  const retry = () => steer(() => client.retryTask(task.taskId), text.detail.isRetried)
  return (
    <div className="actions">
      {task.status === 'pending' && (
        <WaitingActions task={task} steer={steer} onEdit={() => setChanging(true)} />
      )}
      {isActive ? (
        <button
          type="button"
          className="danger-quiet"
          {...(task.status === 'pending' ? { 'aria-keyshortcuts': 'c' } : {})}
          onClick={() => void cancel()}
        >
          <Icon name="stop" />
          {text.actions.cancel}
        </button>
      ) : (
        <button
          type="button"
          aria-disabled={isStopping}
          aria-keyshortcuts="r"
          title={isStopping ? text.detail.stopping : ''}
          onClick={() => void retry()}
        >
          <Icon name="retry" />
          {text.actions.retry}
        </button>
      )}
      <Link className="button" to={{ view: 'new', from: task.taskId }}>
        <Icon name="duplicate" />
        {text.actions.duplicate}
      </Link>
      {!isActive && <DeleteButton taskId={task.taskId} />}
      {/* Of a task that has started meanwhile, too: what was entered stays until the server refuses it. */}
      {isChanging && <ChangeDialog task={task} onChange={onChange} onClose={() => setChanging(false)} />}
    </div>
  )
}

/** A handler whose signal was aborted does not go on. */
function undoOf(before: TaskDetail, { taskId, status, stopping }: TaskDetail, text: Dictionary) {
  const isUndoable = before.status === 'pending' && status === 'cancelled' && !stopping
  return isUndoable ? { undo: () => void restore([taskId], text) } : {}
}

type Steer = (what: () => Promise<TaskDetail>, done: string) => Promise<void>

function WaitingActions(props: { task: TaskDetail; steer: Steer; onEdit: () => void }) {
  const { task, steer, onEdit } = props
  const text = useText()
  // Stays when the task is due: a button that vanishes loses the focus.
  const isDue = task.runAt.getTime() <= useNow()
  const runNow = () => steer(() => client.runNow(task.taskId), text.detail.isDue)
  return (
    <>
      <button
        type="button"
        aria-disabled={isDue}
        title={isDue ? text.detail.dueAlready : ''}
        onClick={() => isDue || void runNow()}
      >
        <Icon name="play" />
        {text.detail.runNow}
      </button>
      <button type="button" aria-keyshortcuts="e" onClick={onEdit}>
        <Icon name="edit" />
        {text.detail.change}
      </button>
    </>
  )
}

function DeleteButton({ taskId }: { taskId: string }) {
  const text = useText()
  const [isAsking, setAsking] = useState(false)
  const [isBusy, setBusy] = useState(false)
  const remove = async () => {
    setBusy(true)
    const isGone = await attempt(async () => (await client.deleteTask(taskId)) ?? true)
    setBusy(false)
    setAsking(false)
    if (!isGone) return
    notify(text.detail.isDeleted)
    go({ view: 'tasks' }, { replace: true })
    void queryClient.invalidateQueries({ queryKey: [LIVE] })
  }
  return (
    <>
      <button type="button" className="danger-quiet" aria-keyshortcuts="d" onClick={() => setAsking(true)}>
        <Icon name="trash" />
        {text.actions.delete}
      </button>
      {isAsking && (
        <Confirm
          title={text.actions.confirm.delete(1)}
          details={text.actions.confirmText.delete}
          action={text.actions.doIt.delete(1)}
          danger
          busy={isBusy}
          onConfirm={() => void remove()}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  )
}
