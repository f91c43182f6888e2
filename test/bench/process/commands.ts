import type { Limit, Tuning } from '../system.ts'

/** What a measuring process can be told to do; all instants are milliseconds of the machine's monotonic clock. */
export interface Commands {
  open(options: { tuning: Tuning; concurrency: number | null; limit?: Limit }): Promise<void>
  close(): Promise<void>
  /** Callers that each create one task after the other; with `uniqueKeys`, each with a key of its own. */
  createFor(options: { callers: number; ms: number; uniqueKeys: boolean }): Promise<Created>
  createMany(options: { batches: number; size: number }): Promise<Created>
  /** Creates one task at a time, every `everyMs` on average, whether the last one has been picked up or not. */
  createPaced(options: { tasks: number; everyMs: number }): Promise<Paced>
  /** Creates tasks at a steady rate, ten milliseconds' worth a call, whether the database keeps up or not. */
  offer(options: { perSecond: number; seconds: number }): Promise<Paced>
  /** What has been started since the last call. */
  takeStarts(): Promise<Starts>
  /** CPU seconds of the process since its start. */
  readCpu(): Promise<number>
  /** Bytes in use after a garbage collection; the process must run with --expose-gc. */
  readHeap(): Promise<number>
}

export interface Created {
  readonly tasks: number
  readonly seconds: number
  /** How long each call took. */
  readonly callMs: readonly number[]
}

export interface Paced {
  /** When each task's creation was called for, by the task's number. */
  readonly calledAt: readonly number[]
  readonly callMs: readonly number[]
}

export interface Starts {
  readonly count: number
  /** Null when there was none. */
  readonly firstAt: number | null
  /** Task number and instant; only where the session is tuned for latency. */
  readonly each: readonly (readonly [number, number])[]
}

export type Request = {
  [Name in keyof Commands]: { id: number; name: Name; args: Parameters<Commands[Name]> }
}[keyof Commands]

export interface Reply {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** Of the machine, so that two processes can compare. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
