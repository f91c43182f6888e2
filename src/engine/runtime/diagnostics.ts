import { channel } from 'node:diagnostics_channel'
import type { AttemptOutcome } from '../definition/lifecycle.ts'
import type { RunEvent } from './events.ts'

/** The channels of `node:diagnostics_channel` on which this process publishes, and their messages. */
export interface DiagnosticsMessages {
  /** A task was created here, by a call, a tick of a schedule, or the final failure of another task. */
  'fastify-async-tasks:create': {
    /** Id of the task. */
    readonly taskId: string
    /** Name of its type. */
    readonly taskType: string
    /** False in a caller's transaction (`tx`), which may still be rolled back. */
    readonly committed: boolean
  }
  /** An attempt begins here. Stores bound to this channel hold in its handler, unless it runs in a thread. */
  'fastify-async-tasks:attempt:start': {
    /** Id of the task. */
    readonly taskId: string
    /** Name of its type. */
    readonly taskType: string
    /** Number of the attempt, from 1. */
    readonly attempt: number
  }
  /** An attempt is over: once for each start. */
  'fastify-async-tasks:attempt:end': {
    /** Id of the task. */
    readonly taskId: string
    /** Name of its type. */
    readonly taskType: string
    /** Number of the attempt, from 1. */
    readonly attempt: number
    /** `lost`: another executor had taken the task, and nothing was written. */
    readonly outcome: AttemptOutcome
    /** Milliseconds since the start, up to the write of the outcome. */
    readonly durationMs: number
    /** The text that the task stores, without redacted values; absent unless the attempt failed. */
    readonly error?: string
    /** Milliseconds until the next attempt of one that failed or timed out; absent if it is not retried. */
    readonly retryInMs?: number
    /** Milliseconds until the next attempt of one that sleeps; absent of others. */
    readonly wakesInMs?: number
  }
}

// Kept for the life of the process: a channel that was collected would not notice later subscribers.
const created = channel('fastify-async-tasks:create')
const started = channel('fastify-async-tasks:attempt:start')
const ended = channel('fastify-async-tasks:attempt:end')

// Node catches what a subscriber throws, and raises it as an `uncaughtException` in a tick of its own.

/** Publishes the tasks that were created, one by one; costs a comparison without subscribers. */
export function publishCreates(
  tasks: readonly (Pick<RunEvent, 'taskId' | 'taskType'> & { readonly created?: boolean })[],
  committed = true,
): void {
  if (!created.hasSubscribers) return
  for (const { taskId, taskType, created: isNew = true } of tasks) {
    if (!isNew) continue
    created.publish({
      taskId,
      taskType,
      committed,
    } satisfies DiagnosticsMessages['fastify-async-tasks:create'])
  }
}

export function hasAttemptSubscribers(): boolean {
  return started.hasSubscribers || ended.hasSubscribers
}

/** Publishes the start of an attempt and runs it with the stores bound to that channel. */
export function runAttempt<T>(
  message: DiagnosticsMessages['fastify-async-tasks:attempt:start'],
  run: () => T,
): T {
  return started.runStores(message, run)
}

export function publishAttemptEnd(message: DiagnosticsMessages['fastify-async-tasks:attempt:end']): void {
  ended.publish(message)
}
