import { useCallback, useSyncExternalStore } from 'react'
import { lookAt, snapshotOf } from '../shared-tasks.ts'
import { NOTHING, type TaskSnapshot } from '../task-store.ts'
import { useTasksClient } from './provider.ts'

/** What is known of a task, shared by all components that use it; nothing while there is no id. */
export function useTaskSnapshot(
  taskId: string | undefined,
  { logs, pollIntervalMs }: { logs: boolean; pollIntervalMs: number | undefined },
): TaskSnapshot {
  const client = useTasksClient()
  const subscribe = useCallback(
    (onChange: () => void) =>
      taskId === undefined ? () => {} : lookAt(client, taskId, { logs, pollIntervalMs, onChange }),
    [client, taskId, logs, pollIntervalMs],
  )
  const read = () => (taskId === undefined ? NOTHING : snapshotOf(client, taskId))
  return useSyncExternalStore(subscribe, read, () => NOTHING)
}
