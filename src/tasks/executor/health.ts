import type { LoopHealth } from './supervisor.ts'

export interface ExecutorHealth {
  readonly ok: boolean
  /** Why not, in words for people. */
  readonly reasons: readonly string[]
  readonly loops: readonly LoopHealth[]
  /** Handlers that may run at once. */
  readonly slots: number
  /** Handlers that do. */
  readonly running: number
  /** Tasks whose handlers ignore their signal; each holds a slot. */
  readonly stuck: readonly string[]
}

/** A loop, and how long it may go without a pass. Infinity: its failure makes the executor slower, not unfit. */
export interface WatchedLoop {
  readonly health: LoopHealth
  readonly staleAfterMs: number
}

export function assessHealth(executor: {
  readonly started: boolean
  readonly stopping: boolean
  readonly loops: readonly WatchedLoop[]
  readonly slots: number
  readonly running: number
  readonly stuck: readonly string[]
}): ExecutorHealth {
  const { started, stopping, slots, running, stuck } = executor
  const reasons = stopping ? ['shutting down'] : started ? staleness(executor.loops) : ['not started']
  const loops = executor.loops.map(({ health }) => health)
  return { ok: reasons.length === 0, reasons, loops, slots, running, stuck }
}

function staleness(loops: readonly WatchedLoop[]): string[] {
  return loops
    .filter(({ health, staleAfterMs }) => health.sinceLastPassMs > staleAfterMs)
    .map(({ health: { loop, sinceLastPassMs } }) => {
      return `the ${loop} loop has not run for ${Math.round(sinceLastPassMs / 1_000)} s`
    })
}
