import type { MessagePort } from 'node:worker_threads'
import type { TaskLog } from '../../definition/context.ts'
import type { CreateTaskOptions } from '../../definition/create-options.ts'
import { isPermanent, retryDelayOf } from '../../definition/outcome.ts'
import type { Hidden } from '../../definition/scrubber.ts'
import { readThrown, type Thrown } from '../../definition/thrown.ts'
import type { Fence } from '../../store/fence.ts'

/** What a thread is told when it takes a task. */
export interface ThreadTask {
  /** The module whose default export is the handler. */
  readonly module: string
  readonly params: Record<string, unknown>
  readonly taskType: string
  readonly fence: Fence
  readonly maxResultBytes: number
  /** What nobody may see of its params; undefined where nothing is hidden. */
  readonly hidden: Hidden | undefined
  readonly port: MessagePort
}

/** What was thrown, on its way between threads: a clone would lose its class. */
export interface SentError {
  readonly thrown: Thrown
  readonly isPermanent: boolean
  /** Of a `RetryAfter`. */
  readonly delayMs: number | undefined
}

export type FromThread =
  /** The thread has the run. */
  | { readonly kind: 'begun' }
  | { readonly kind: 'progress'; readonly args: readonly [number, number | undefined, string | undefined] }
  | {
      readonly kind: 'log'
      readonly level: keyof TaskLog
      readonly message: string
      readonly data: Readonly<Record<string, unknown>> | undefined
    }
  | {
      readonly kind: 'create'
      readonly call: number
      readonly task: string
      readonly params: unknown
      readonly options: Omit<CreateTaskOptions, 'tx'>
      /** In a transaction of the handler's: the statements come back to the thread. */
      readonly inTransaction: boolean
    }
  | { readonly kind: 'rows'; readonly query: number; readonly rows: readonly unknown[] }
  | { readonly kind: 'queryFailed'; readonly query: number; readonly error: SentError }
  /** Everything said so far must be in the database. */
  | { readonly kind: 'flush'; readonly call: number }
  /** The task was completed in a transaction of the handler's. */
  | { readonly kind: 'completing' }
  /** As JSON: a clone would lose what errors hold and what a `toJSON` gives, and fail for a function. */
  | { readonly kind: 'returned'; readonly result: string | null }
  | { readonly kind: 'threw'; readonly error: SentError }

export type ToThread =
  | {
      readonly kind: 'query'
      /** The call that the transaction came with. */
      readonly call: number
      readonly query: number
      readonly text: string
      readonly values: unknown[]
    }
  | { readonly kind: 'abort'; readonly name: string; readonly message: string }
  | { readonly kind: 'answer'; readonly call: number; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly call: number; readonly error: SentError }

export function packError(thrown: unknown): SentError {
  return { thrown: readThrown(thrown), isPermanent: isPermanent(thrown), delayMs: retryDelayOf(thrown) }
}
