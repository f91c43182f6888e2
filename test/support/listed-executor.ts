import type { ListedExecutor } from '../../src/engine/store/executors.ts'

/** A live executor with two free slots, but for these changes. */
export const listedExecutor = (changes: Partial<ListedExecutor> = {}): ListedExecutor => ({
  id: 'e1',
  host: 'h',
  pid: 1,
  version: '1',
  slots: 2,
  runningTasks: [],
  taskTypes: ['a'],
  startedAt: new Date(0),
  heartbeatAgeMs: 1_000,
  leaseMs: 30_000,
  alive: true,
  stuck: [],
  ...changes,
})
