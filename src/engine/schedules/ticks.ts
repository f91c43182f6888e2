import type { MissedTicks } from '../../contract/schedule.ts'
import type { CronTimes } from './cron.ts'

/** Only the newest ones. */
export const MAX_CATCH_UP = 1_000
/** Ticks run at least this late: a restart, or a missed change, takes no longer. */
export const LATE_MS = 90_000

export function graceOf(pollIntervalMs: number): number {
  return Math.max(2 * pollIntervalMs, 5_000)
}

export interface TickPlan {
  readonly ticks: readonly Date[]
  /** Undefined: there is none. */
  readonly next: Date | undefined
  /** From `from` up to, but without, `before`. */
  readonly skipped: { readonly from: Date; readonly before: Date } | undefined
}

/**
 * Plans the ticks from `from` to `now`. Those of the last `graceMs` run. Of older ones `all` runs each, at most the
 * newest 1,000; `once` runs the latest tick however old, `skip` if it is no older than 90 s.
 */
export function planTicks(
  times: CronTimes,
  options: { from: Date; now: Date; missed: MissedTicks; graceMs: number },
): TickPlan {
  const { from, now } = options
  const next = times.next(now)
  const ticks = listTicks(times, findFirst(times, options), now)
  const before = ticks[0] ?? next ?? now
  return { ticks, next, skipped: before > from ? { from, before } : undefined }
}

function findFirst(
  times: CronTimes,
  { from, now, missed, graceMs }: { from: Date; now: Date; missed: MissedTicks; graceMs: number },
): Date | undefined {
  const onTimeSince = +now - graceMs
  if (missed === 'all' || onTimeSince <= +from) return from
  const onTime = times.next(new Date(onTimeSince - 1))
  if (onTime && onTime <= now) return onTime
  const [latest = from] = times.latest(now, 1).filter((tick) => tick > from)
  return missed === 'once' || +now - +latest <= LATE_MS ? latest : undefined
}

function listTicks(times: CronTimes, first: Date | undefined, now: Date): Date[] {
  const ticks: Date[] = []
  for (let tick = first; tick && tick <= now; tick = times.next(tick)) {
    // Counted backwards, which takes as long as there are ticks.
    if (ticks.length === MAX_CATCH_UP) return times.latest(now, MAX_CATCH_UP).reverse()
    ticks.push(tick)
  }
  return ticks
}
