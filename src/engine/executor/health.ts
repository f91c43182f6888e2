import type { LoopHealth } from '../runtime/supervisor.ts'

/** The state of this process's executor. */
export interface ExecutorHealth {
  /** False while the executor cannot run tasks, also during a stop. */
  readonly ok: boolean
  /** Why `ok` is false; empty otherwise. */
  readonly reasons: readonly string[]
  /** Conditions that delay tasks although the executor works, such as a database clock that went back. */
  readonly warnings: readonly string[]
  /** The loops that claim, send heartbeats, listen, rescue and prune. */
  readonly loops: readonly LoopHealth[]
  /** Handlers that may run at once. */
  readonly slots: number
  /** Handlers that run now. */
  readonly running: number
  /** Ids of tasks whose handlers ignore their signal; each occupies a slot. */
  readonly stuck: readonly string[]
}

/** Infinity: tasks start later without the loop, but the executor works. */
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
  readonly clockBehindMs: number
  readonly shortage: string | undefined
}): ExecutorHealth {
  const { started, stopping, slots, running, stuck, clockBehindMs, shortage } = executor
  const reasons = stopping ? ['shutting down'] : started ? staleness(executor.loops) : ['not started']
  const loops = executor.loops.map(({ health }) => health)
  const warnings = [
    ...(clockBehindMs > 0 ? [clockWarning(clockBehindMs)] : []),
    ...(shortage === undefined ? [] : [shortage]),
  ]
  return { ok: reasons.length === 0, reasons, warnings, loops, slots, running, stuck }
}

function clockWarning(behindMs: number): string {
  const seconds = Math.ceil(behindMs / 1_000)
  return `the database's clock went back: tasks and schedules that were due by its earlier time wait for up to ${seconds} s`
}

function staleness(loops: readonly WatchedLoop[]): string[] {
  return loops
    .filter(({ health, staleAfterMs }) => health.sinceLastPassMs > staleAfterMs)
    .map(({ health: { loop, sinceLastPassMs } }) => {
      return `the ${loop} loop has not run for ${Math.round(sinceLastPassMs / 1_000)} s`
    })
}
