import type { MessagePort } from 'node:worker_threads'
import type { TaskLog } from '../../definition/context.ts'
import type { CreateTaskOptions } from '../../definition/create-options.ts'
import { isPermanent, retryDelayOf, spendsRetryOf } from '../../definition/outcome.ts'
import type { Hidden } from '../../definition/scrubber.ts'
import type { Due } from '../../definition/steps.ts'
import { readThrown, type Thrown } from '../../definition/thrown.ts'
import type { Fence } from '../../store/fence.ts'

export interface ThreadTask {
  readonly module: string
  readonly params: Record<string, unknown>
  readonly taskType: string
  readonly fence: Fence
  /** Where the tables are. */
  readonly schema: string
  readonly maxResultBytes: number
  readonly responseTimeoutMs: number
  readonly hidden: Hidden | undefined
  readonly port: MessagePort
}

/** A structured clone would lose the error's class. */
export interface SentError {
  readonly thrown: Thrown
  readonly isPermanent: boolean
  readonly delayMs: number | undefined
  readonly spendsRetry: boolean
}

export type FromThread =
  | { readonly kind: 'started' }
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
    }
  | { readonly kind: 'flush'; readonly call: number }
  | { readonly kind: 'stepBegan'; readonly call: number; readonly name: string }
  | { readonly kind: 'stepThrew'; readonly name: string }
  | {
      readonly kind: 'stepFinished'
      readonly call: number
      readonly name: string
      /** JSON text. */
      readonly result: string | null
      readonly durationMs: number
    }
  /** Has its transaction committed? */
  | { readonly kind: 'stepUnknown'; readonly call: number; readonly name: string }
  | { readonly kind: 'sleep'; readonly call: number; readonly name: string; readonly until: Due | undefined }
  | { readonly kind: 'completing' }
  /** As JSON: a clone would lose fields of errors, ignore `toJSON` and fail for functions. */
  | { readonly kind: 'returned'; readonly result: string | null }
  | { readonly kind: 'threw'; readonly error: SentError }

/** A message that awaits a response. */
export type Request = DistributiveOmit<Extract<FromThread, { call: number }>, 'call'>
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

export type ToThread =
  | { readonly kind: 'abort'; readonly name: string; readonly message: string }
  | { readonly kind: 'resolved'; readonly call: number; readonly value: unknown }
  | { readonly kind: 'rejected'; readonly call: number; readonly error: SentError }

export function packError(thrown: unknown): SentError {
  return {
    thrown: readThrown(thrown),
    isPermanent: isPermanent(thrown),
    delayMs: retryDelayOf(thrown),
    spendsRetry: spendsRetryOf(thrown),
  }
}
