import type { TaskSettingsInput } from '../../../src/engine/definition/settings.ts'
import type { ExecutorHealth } from '../../../src/engine/executor/health.ts'

/** What a worker is told at its start. */
export interface WorkerConfig {
  readonly name: string
  readonly databaseUrl: string
  /** Default: `databaseUrl`. */
  readonly directUrl?: string
  readonly auditUrl: string
  readonly settings: TaskSettingsInput
  readonly prepared: boolean
  readonly logLevel: 'info' | 'warn'
  /** Tells nothing of single runs. */
  readonly quiet: boolean
}

export type Question = 'health' | 'pool' | 'memory' | 'release'

export interface PoolState {
  readonly total: number
  readonly checkedOut: number
  readonly waiting: number
}

export interface Answers {
  health: ExecutorHealth
  pool: PoolState
  /** Bytes of the heap in use, after a collection. */
  memory: number
  /** The handlers that wait at the gate go on; a worker that creates tasks has stopped that. */
  release: null
}

export type WorkerMessage =
  | { readonly kind: 'ready' }
  /** The creates of these tasks have returned. */
  | { readonly kind: 'created'; readonly taskIds: readonly string[] }
  | { readonly kind: 'started'; readonly taskId: string; readonly attempt: number }
  /** It holds in this step until its process is killed. */
  | { readonly kind: 'held'; readonly taskId: string; readonly step: number }
  | { readonly kind: 'ended'; readonly taskId: string; readonly attempt: number }
  | {
      readonly kind: 'aborted'
      readonly taskId: string
      readonly attempt: number
      readonly reason: string
      /** See `monotonicMs`. */
      readonly at: number
    }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }

export interface WorkerQuestion {
  readonly id: number
  readonly question: Question
}

/** A clock that all processes of a machine share and nobody sets. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
