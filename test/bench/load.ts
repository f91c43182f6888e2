import { setTimeout as delay } from 'node:timers/promises'
import type { MeasuringProcess } from './process/fork.ts'
import { percentile } from './statistics.ts'

/** What became of tasks that were offered at a steady rate. */
export interface LoadTrace {
  /** Tasks that were called for and have not started, by the second since the load began. */
  readonly backlog: readonly { readonly second: number; readonly tasks: number }[]
  /** Pick-up, from call to start, of the tasks that were called for in the last minute. */
  readonly lastMinute: { readonly p50Ms: number; readonly p99Ms: number }
  readonly offered: number
  readonly started: number
}

/** How long a backlog may take to go when the load is over; what is left then counts as not started. */
const GRACE_MS = 10_000
const LAST_MS = 60_000

export async function offerLoad(
  creator: MeasuringProcess,
  runner: MeasuringProcess,
  load: { perSecond: number; seconds: number },
): Promise<LoadTrace> {
  const startedAt = new Map<number, number>()
  const take = async () => {
    for (const [n, at] of (await runner.takeStarts()).each) if (!startedAt.has(n)) startedAt.set(n, at)
  }
  await take()
  startedAt.clear()
  const offered = { done: false }
  const offering = creator.offer(load).finally(() => {
    offered.done = true
  })
  while (!offered.done) {
    await delay(250)
    await take()
  }
  const { calledAt } = await offering
  const deadline = Date.now() + GRACE_MS
  while (startedAt.size < calledAt.length && Date.now() < deadline) {
    await delay(50)
    await take()
  }
  return toTrace(calledAt, startedAt)
}

export function toTrace(calledAt: readonly number[], startedAt: ReadonlyMap<number, number>): LoadTrace {
  const from = calledAt[0] ?? 0
  const until = calledAt.at(-1) ?? from
  const waits = calledAt.flatMap((at, n) => {
    // What never started waited at least this long.
    return at >= until - LAST_MS ? [(startedAt.get(n) ?? until + GRACE_MS) - at] : []
  })
  return {
    backlog: backlogBySecond(calledAt, startedAt, from, until),
    lastMinute: { p50Ms: round(percentile(waits, 0.5)), p99Ms: round(percentile(waits, 0.99)) },
    offered: calledAt.length,
    started: startedAt.size,
  }
}

function backlogBySecond(
  calledAt: readonly number[],
  startedAt: ReadonlyMap<number, number>,
  from: number,
  until: number,
): LoadTrace['backlog'] {
  const seconds = Math.max(1, Math.ceil((until - from) / 1_000))
  const change = new Array<number>(seconds + 1).fill(0)
  const note = (at: number, by: number) => {
    const second = Math.min(seconds, Math.ceil((at - from) / 1_000))
    change[second] = (change[second] ?? 0) + by
  }
  for (const at of calledAt) note(at, 1)
  for (const at of startedAt.values()) if (at <= until) note(at, -1)
  let tasks = 0
  return change.map((by, second) => {
    tasks += by
    return { second, tasks }
  })
}

const round = (ms: number) => Number(ms.toFixed(2))
