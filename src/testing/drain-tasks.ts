import type { AttemptOutcome } from '../contract/task.ts'
import { drainOptions, requireValid } from '../engine/create/arguments.ts'
import type { ManagerParts } from '../engine/create/manager-parts.ts'
import { limitsOf } from '../engine/definition/limits.ts'
import { TaskExecutor } from '../engine/executor/executor.ts'
import type { TaskEventMap } from '../engine/runtime/events.ts'
import { WakeUp } from '../engine/runtime/wake-up.ts'
import { ageTasks, endSleeps, findOpen } from '../engine/store/rehearse.ts'
import { open, type TestTarget } from './target.ts'

/** Interval of polls, for ends that emit no event in this process. */
const LOOK_AGAIN_MS = 25

/** Options of `drainTasks` and `waitForTask`. */
export interface DrainOptions {
  /** Longest wait in milliseconds. Default 30,000. */
  timeoutMs?: number
  /** Ends each sleep at once, when nothing else is due or running. Default false: sleeping tasks stay pending. */
  skipSleeps?: boolean
}

/** An attempt that ended during `drainTasks`. */
export interface DrainedAttempt {
  /** Id of the task. */
  readonly taskId: string
  /** Name of its type. */
  readonly taskType: string
  /** Number of the attempt, from 1. */
  readonly attempt: number
  /** How it ended. */
  readonly outcome: AttemptOutcome
  /** Message of its error; absent: none. */
  readonly error?: string
  /** Milliseconds until the next attempt of one that failed or timed out; absent if it is not retried. */
  readonly retryInMs?: number
  /** Milliseconds until the next attempt of one that sleeps; absent of others. */
  readonly wakesInMs?: number
}

/**
 * Runs all due tasks of the app's types in this process, with a real executor on the real database. Includes tasks that
 * they create and tasks of schedules whose tick is due. Resolves when none is due or running, to the attempts in the
 * order in which they ended. Tasks that are due later, sleep or wait for a permit of a `rateLimit` stay pending
 * (`advanceTime` makes them due and returns permits, `skipSleeps` ends sleeps), and so do paused types.
 *
 * @throws Error with the ids of tasks that had not ended after `timeoutMs`
 */
export async function drainTasks(target: TestTarget, options: DrainOptions = {}): Promise<DrainedAttempt[]> {
  requireValid('drainTasks options', drainOptions, options)
  const { timeoutMs = 30_000, skipSleeps = false } = options
  const { manager, ...parts } = await open(target)
  const { events } = parts
  const settings = {
    ...parts.settings,
    pollIntervalMs: Math.min(parts.settings.pollIntervalMs, LOOK_AGAIN_MS),
  }
  const executor = new TaskExecutor({ ...parts, settings, manager, version: 'testing' })
  const ended: DrainedAttempt[] = []
  const progress = new WakeUp()
  const onEnded = ({
    durationMs: _durationMs,
    readResult: _readResult,
    ...attempt
  }: TaskEventMap['ended'][0]) => {
    ended.push(attempt)
    progress.notify()
  }
  events.on('ended', onEnded)
  executor.start()
  try {
    await untilDrained(parts, progress, { timeoutMs, skipSleeps, executorId: executor.id })
    // An end may be in the table before its own process has processed it: the stop waits for that.
    await executor.stop()
    return ended
  } catch (error) {
    // What has not ended keeps the executor from stopping in order, too: the first error is more useful.
    await executor.stop().catch(() => {})
    throw error
  } finally {
    events.off('ended', onEnded)
  }
}

async function untilDrained(
  { db, definitions }: Pick<ManagerParts, 'db' | 'definitions'>,
  progress: WakeUp,
  { timeoutMs, skipSleeps, executorId }: Required<DrainOptions> & { executorId: string },
): Promise<void> {
  const never = new AbortController().signal
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const left = await findOpen(db, [...definitions.values()].map(limitsOf), executorId)
    if (left.length === 0 && !(skipSleeps && (await endSleeps(db, [...definitions.keys()])))) return
    if (performance.now() >= deadline) {
      throw new Error(`still due or running after ${timeoutMs} ms: ${left.slice(0, 10).join(', ')}`)
    }
    await progress.wait(LOOK_AGAIN_MS, never)
  }
}

/**
 * Simulates that time passes: makes every task this much older, so that tasks due within that time are due now, and
 * permits of a `rateLimit` have returned. The next tick of a schedule moves by whole seconds, rounded up; a tick that is
 * then too late counts as missed. No clock changes.
 *
 * @param ms milliseconds, 0 or more
 * @throws RangeError for another number
 */
export async function advanceTime(target: TestTarget, ms: number): Promise<void> {
  if (!(Number.isFinite(ms) && ms >= 0)) throw new RangeError(`advanceTime: ms must be 0 or more, got ${ms}`)
  const { db } = await open(target)
  await ageTasks(db, ms)
  if ('tasks' in target) target.taskExecutor?.rescan()
}
