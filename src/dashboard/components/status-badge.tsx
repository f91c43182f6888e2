import type { TaskStatus, TaskSummary } from '../../client/index.ts'
import { useText } from '../i18n/text.ts'
import { serverNow } from '../state/clock.ts'

/** Finer than the status, for people: a pending task may be due later, or be there again after a failure. */
export type Shade = TaskStatus | 'scheduled' | 'retrying' | 'stopping' | 'deleted'

export function shadeOf(task: TaskSummary, isStopping: boolean): Shade {
  if (isStopping) return 'stopping'
  if (task.status !== 'pending') return task.status
  if (task.retryCount > 0) return 'retrying'
  return task.runAt.getTime() > serverNow() + 1_000 ? 'scheduled' : 'pending'
}

export function StatusBadge({ shade }: { shade: Shade }) {
  const text = useText()
  return (
    <span className={`badge badge-${shade}`}>
      <span className="dot" aria-hidden="true" />
      {text.status[shade]}
    </span>
  )
}
