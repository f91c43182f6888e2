import { useCallback, useEffect, useRef } from 'react'
import type { TaskDetail } from '../../contract/task.ts'
import { checkOptions } from '../check-options.ts'
import type { WatchConnection } from '../follow.ts'
import { cancelTask, refetchTask } from '../shared-tasks.ts'
import { isFinished } from '../watch.ts'
import { useTasksClient } from './provider.ts'
import { useTaskSnapshot } from './use-task-snapshot.ts'

/** Options of `useTaskStatus`. */
export interface UseTaskStatusOptions {
  /** False: loads nothing. Default true. */
  enabled?: boolean | undefined
  /** Milliseconds between polls, if streams are blocked; of several components, the shortest. Default 1,000. */
  pollIntervalMs?: number | undefined
  /** Called once when the task has completed, also if it had completed before the component mounted. */
  onComplete?: ((task: TaskDetail) => void) | undefined
  /** The same when it has failed for good. */
  onFailed?: ((task: TaskDetail) => void) | undefined
  /** The same when it is cancelled. */
  onCancelled?: ((task: TaskDetail) => void) | undefined
  /** Called when progress, total or step changes. */
  onProgress?: ((task: TaskDetail) => void) | undefined
}

const OPTION_NAMES: (keyof UseTaskStatusOptions)[] = [
  'enabled',
  'pollIntervalMs',
  'onComplete',
  'onFailed',
  'onCancelled',
  'onProgress',
]

/** What `useTaskStatus` returns. */
export interface TaskStatusResult {
  /** Undefined until it is loaded. */
  task: TaskDetail | undefined
  /** True until the task or an error is there. */
  isLoading: boolean
  /** Whether `error` is set. */
  isError: boolean
  /** Why the task is missing or no longer followed, such as 404, 401 or an unreachable server. */
  error: Error | undefined
  /** True while the task is followed, by stream or by polling; false after its end and while the tab is hidden. */
  isPolling: boolean
  /** `lost` while the server is unreachable and the data may be outdated. */
  connection: WatchConnection | 'idle'
  /** Loads the task now. */
  refetch: () => Promise<TaskDetail>
  /** Cancels the task. @throws TasksApiError such as `TASK_ALREADY_FINISHED` */
  cancel: () => Promise<TaskDetail>
}

/**
 * Follows a task until it has ended. Components that show the same task share one connection. Without an id, or with
 * `enabled: false`, it does nothing.
 */
export function useTaskStatus(
  taskId: string | null | undefined,
  options: UseTaskStatusOptions = {},
): TaskStatusResult {
  checkOptions('useTaskStatus', options, OPTION_NAMES)
  const client = useTasksClient()
  const { enabled = true, pollIntervalMs } = options
  const wanted = enabled && taskId ? taskId : undefined
  const { task, error, connection } = useTaskSnapshot(wanted, { logs: false, pollIntervalMs })
  useAnnouncements(task, options)

  const refetch = useCallback(() => refetchTask(client, requireId(taskId)), [client, taskId])
  const cancel = useCallback(() => cancelTask(client, requireId(taskId)), [client, taskId])
  return {
    task,
    isLoading: wanted !== undefined && task === undefined && error === undefined,
    isError: error !== undefined,
    error,
    isPolling: connection !== 'idle' && !(task && isFinished(task)),
    connection,
    refetch,
    cancel,
  }
}

/** Calls back once for each end and each step. */
function useAnnouncements(task: TaskDetail | undefined, options: UseTaskStatusOptions): void {
  const latest = useRef(options)
  const announced = useRef({ end: '', progress: '' })
  useEffect(() => {
    latest.current = options
  })
  useEffect(() => {
    if (!task) return
    const { onComplete, onFailed, onCancelled, onProgress } = latest.current
    const { taskId, status, progress, total, step } = task
    const now = JSON.stringify([taskId, progress, total, step])
    // The first that is seen of a task is no progress yet.
    const isProgress =
      now !== announced.current.progress && announced.current.progress.startsWith(`["${taskId}"`)
    announced.current.progress = now
    if (isProgress) onProgress?.(task)
    if (!isFinished(task)) return
    const end = JSON.stringify([taskId, status, task.completedAt, task.cancelledAt])
    if (end === announced.current.end) return
    announced.current.end = end
    if (status === 'completed') onComplete?.(task)
    if (status === 'failed') onFailed?.(task)
    if (status === 'cancelled') onCancelled?.(task)
  }, [task])
}

function requireId(taskId: string | null | undefined): string {
  if (!taskId) throw new Error('there is no task id')
  return taskId
}
