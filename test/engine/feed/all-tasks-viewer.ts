import { onTestFinished } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { FeedEvent } from '../../../src/engine/feed/feed.ts'
import { useWatcher } from './watcher.ts'

const { task } = createTaskRegistry()
export const quick = task('quick')(() => {})
export const DELAYED = { delayMs: 3_600_000 }

interface View {
  /** What each task was shown as last. */
  readonly shown: ReadonlyMap<string, string>
  readonly events: readonly FeedEvent[]
  /** Resolves when its stream has ended. */
  readonly ended: Promise<void>
}

/** A process that watches all tasks, `quick` and `unknown` ones among them. */
export function useAllTasksViewer() {
  const watcher = useWatcher('quick', 'unknown')
  const { engines, openTransaction, statements } = watcher
  return {
    engines,
    openTransaction,
    statements,
    get feed() {
      return watcher.feed
    },
    async watch(options: { createdBy?: string } = {}): Promise<View> {
      const leave = new AbortController()
      onTestFinished(() => leave.abort())
      const steps = await watcher.feed.followAll({ signal: leave.signal, idleMs: 60_000, ...options })
      const shown = new Map<string, string>()
      const events: FeedEvent[] = []
      // Streams begin with what runs, if only with an empty step.
      await steps.next()
      const read = async () => {
        for await (const step of steps) {
          for (const event of step) {
            events.push(event)
            if (event.type === 'task') shown.set(event.task.taskId, event.task.status)
            if (event.type === 'deleted') shown.set(event.taskId, 'deleted')
          }
        }
      }
      return { shown, events, ended: read() }
    },
    /** Inserts tasks that are newer than those of the test: the first poll reads the newest alone. */
    async crowd(): Promise<void> {
      await engines.database.pool.query(
        `insert into async_tasks (task_id, task_type, status, completed_at)
         select 'task_crowd' || i, 'unknown', 'completed', now() from generate_series(1, 600) i`,
      )
    },
  }
}
