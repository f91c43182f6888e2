import type { TaskDetail } from '../contract/task.ts'
import type { TasksClient } from './client.ts'
import { NOTHING, type TaskInterest, type TaskSnapshot, TaskStore } from './task-store.ts'

/** The stores of a client's tasks, as long as anybody looks at them. */
const stores = new WeakMap<TasksClient, Map<string, TaskStore>>()

export function snapshotOf(client: TasksClient, taskId: string): TaskSnapshot {
  return stores.get(client)?.get(taskId)?.snapshot ?? NOTHING
}

/** Answers how to stop looking. */
export function lookAt(client: TasksClient, taskId: string, interest: TaskInterest): () => void {
  const ofClient = stores.get(client) ?? new Map<string, TaskStore>()
  stores.set(client, ofClient)
  const store = ofClient.get(taskId) ?? new TaskStore(client, taskId, () => ofClient.delete(taskId))
  ofClient.set(taskId, store)
  return store.enter(interest)
}

/** Reads the task now, for everybody who looks at it. */
export function refetchTask(client: TasksClient, taskId: string): Promise<TaskDetail> {
  return stores.get(client)?.get(taskId)?.refetch() ?? client.getTask(taskId)
}

export function cancelTask(client: TasksClient, taskId: string): Promise<TaskDetail> {
  return stores.get(client)?.get(taskId)?.cancel() ?? client.cancelTask(taskId)
}
