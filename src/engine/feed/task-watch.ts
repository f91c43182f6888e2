import { interruptible } from '../../client/interruptible.ts'
import { untilAborted } from '../../client/patience.ts'
import type { TaskStreamEvent } from '../../contract/events.ts'
import { taskNotFound } from '../definition/errors.ts'
import type { TaskFeed } from './feed.ts'

/** Options of `watch`. */
export interface WatchOptions {
  /** Ends the watch; the iterator then throws the signal's reason. */
  signal?: AbortSignal | undefined
  /** Skips log lines up to this id. Default 0: the whole log. */
  afterId?: number | undefined
}

/** How often the feed yields an empty batch where nothing changes. Connections need those, a watch does not. */
const IDLE_MS = 60_000

/** The events of a task's stream, for the process itself. It is no viewer before the first `next` and after `return`. */
export function watchTask(
  feed: TaskFeed,
  taskId: string,
  { signal, afterId = 0 }: WatchOptions,
): AsyncGenerator<TaskStreamEvent, void, undefined> {
  return interruptible({ signal }, (each) => readEvents(feed, taskId, afterId, each.signal))
}

async function* readEvents(
  feed: TaskFeed,
  taskId: string,
  afterId: number,
  signal: AbortSignal,
): AsyncGenerator<TaskStreamEvent, void, undefined> {
  signal.throwIfAborted()
  const batches = await untilAborted(feed.follow(taskId, { signal, afterId, idleMs: IDLE_MS }), signal)
  for await (const batch of batches) {
    for (const event of batch) {
      // Viewers share events: what one of them changes must not reach the others.
      yield structuredClone(event as TaskStreamEvent)
      if (event.type === 'end') return
    }
  }
  signal.throwIfAborted()
  feed.requireOpen()
  throw taskNotFound(taskId)
}
