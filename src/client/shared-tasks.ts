import type { TaskDetail } from '../contract/task.ts'
import type { TasksClient } from './client.ts'
import { NOTHING, type TaskInterest, type TaskSnapshot, TaskStore } from './task-store.ts'

/** The stores of a client's tasks, as long as a component shows them. */
const stores = new WeakMap<TasksClient, Map<string, TaskStore>>()

export function snapshotOf(client: TasksClient, taskId: string): TaskSnapshot {
  return stores.get(client)?.get(taskId)?.snapshot ?? NOTHING
}

/** Returns a function that gives the interest up again. */
export function lookAt(client: TasksClient, taskId: string, interest: TaskInterest): () => void {
  const ofClient = stores.get(client) ?? new Map<string, TaskStore>()
  stores.set(client, ofClient)
  const known = ofClient.get(taskId)
  if (known) return known.enter(interest)
  const store: TaskStore = new TaskStore(client, taskId, () => {
    // A store that was replaced meanwhile must not remove its successor.
    if (ofClient.get(taskId) === store) ofClient.delete(taskId)
  })
  ofClient.set(taskId, store)
  return store.enter(interest)
}

/** Reads the task now, for all components that show it. */
export function refetchTask(client: TasksClient, taskId: string): Promise<TaskDetail> {
  return stores.get(client)?.get(taskId)?.refetch() ?? client.getTask(taskId)
}

export function cancelTask(client: TasksClient, taskId: string): Promise<TaskDetail> {
  return stores.get(client)?.get(taskId)?.cancel() ?? client.cancelTask(taskId)
}
