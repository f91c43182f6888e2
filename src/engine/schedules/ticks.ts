import type { MissedTicks } from '../../contract/schedule.ts'
import type { CronTimes } from './cron.ts'

/** Ticks that one catch-up makes up for at most, the newest. */
export const MAX_CATCH_UP = 1_000
/** The latest tick runs this late whatever the schedule says: a restart, or a change that was not heard of, lasts no longer. */
export const LATE_MS = 90_000

/** How late a tick counts as on time. */
export function graceOf(pollIntervalMs: number): number {
  return Math.max(2 * pollIntervalMs, 5_000)
}

export interface TickPlan {
  /** Those to run now, oldest first. */
  readonly ticks: readonly Date[]
  /** The one to wait for then; undefined when there is none. */
  readonly next: Date | undefined
  /** Ticks from `from` on, and before `before`, that are not made up for. */
  readonly skipped: { readonly from: Date; readonly before: Date } | undefined
}

/**
 * What to do about the ticks from `from` to `now`. On time are those of the last `graceMs`: they run. Of the older ones
 * `all` runs every one, at most the newest 1,000; `once` and `skip` none, but for the latest tick of all: that one
 * `once` runs however old it is, and `skip` when it is no older than 90 s.
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
    // Counted backwards only now: that walks as far as there are ticks to find.
    if (ticks.length === MAX_CATCH_UP) return times.latest(now, MAX_CATCH_UP).reverse()
    ticks.push(tick)
  }
  return ticks
}
