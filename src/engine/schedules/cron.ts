import { Cron } from 'croner'
import { TaskError } from '../definition/errors.ts'
import { listGaps } from './gaps.ts'

/**
 * When a schedule ticks: a cron expression in a time zone, in whole seconds.
 *
 * Daylight saving as in Vixie cron. A fixed time (no `*` and no step in seconds, minutes and hours) inside a gap ticks
 * once, right after it; one that the clock shows twice ticks the first time. Others follow elapsed time.
 */
export interface CronTimes {
  next(after: Date): Date | undefined
  latest(until: Date, count: number): Date[]
}

const EXPECTED_CRON =
  'expected five fields (minute, hour, day of month, month, day of week), six with seconds first, or a nickname such as @daily'
const EXPECTED_ZONE = 'expected an IANA time zone such as Asia/Shanghai, or UTC'

/** @throws TaskError `INVALID_ARGUMENT`, naming the invalid field */
export function parseCron(cron: string, timeZone: string): CronTimes {
  requireTimeZone(timeZone)
  const times = parse(cron, timeZone)
  const inGaps = (after: Date, until: Date) =>
    isFixed(times) ? ticksInGaps(cron, timeZone, after, until) : []
  return {
    next(after) {
      const next = times.nextRun(after) ?? undefined
      return next && (inGaps(after, next)[0] ?? next)
    },
    latest(until, count) {
      const runs = times.previousRuns(count, new Date(Math.floor(+until / 1_000) * 1_000 + 1_000))
      const ticks = new Set([...runs, ...inGaps(runs.at(-1) ?? until, until)].map(Number))
      return [...ticks]
        .sort((a, b) => b - a)
        .slice(0, count)
        .map((tick) => new Date(tick))
    },
  }
}

/** No `*` and no step in seconds, minutes and hours. */
function isFixed(times: Cron): boolean {
  const fields = (times.getPattern() ?? '').trim().split(/\s+/)
  return !/[*?/]/.test(fields.slice(0, fields.length - 3).join())
}

/** Croner leaves out fixed times in a gap that ends on the next day, as at midnight in Greenland. */
function ticksInGaps(cron: string, timeZone: string, after: Date, until: Date): Date[] {
  const gaps = listGaps(timeZone, after, until)
  if (gaps.length === 0) return []
  const local = parse(cron, 'UTC')
  return gaps.flatMap(({ at, from, to }) => {
    const first = local.nextRun(new Date(from - 1))
    return first && +first < to ? [new Date(at)] : []
  })
}

function parse(cron: string, timeZone: string): Cron {
  let times: Cron
  try {
    times = new Cron(cron, {
      paused: true,
      timezone: timeZone,
      mode: '5-or-6-parts',
      fixedTimeRule: 'no-wildcard',
    })
  } catch (error) {
    // Croner's messages are "CronPattern: reason".
    const reason = error instanceof Error ? error.message.replace(/^\w+: /, '') : String(error)
    throw invalid('cron', cron, `is no cron expression (${reason}); ${EXPECTED_CRON}`)
  }
  // Croner accepts single dates.
  if (times.getOnce()) throw invalid('cron', cron, `is a single date; ${EXPECTED_CRON}`)
  return times
}

/** Some versions of Node accept offsets such as +08:00, which have no daylight saving. */
function requireTimeZone(timeZone: string): void {
  const refused = () => invalid('timeZone', timeZone, `is no time zone; ${EXPECTED_ZONE}`)
  if (!/^[A-Za-z]/.test(timeZone)) throw refused()
  try {
    new Intl.DateTimeFormat('en', { timeZone })
  } catch {
    throw refused()
  }
}

/** @throws TaskError `INVALID_ARGUMENT` if the expression never fires again */
export function requireNext(times: CronTimes, cron: string, now: Date): Date {
  const next = times.next(now)
  if (!next) throw invalid('cron', cron, 'never fires: expected an expression that some day fits')
  return next
}

/** The first ticks after an instant. */
export function listNext(times: CronTimes, after: Date, count: number): Date[] {
  const ticks: Date[] = []
  for (let tick = times.next(after); tick && ticks.length < count; tick = times.next(tick)) ticks.push(tick)
  return ticks
}

function invalid(field: 'cron' | 'timeZone', value: string, what: string): TaskError {
  const detail = `${JSON.stringify(value)} ${what}`
  return new TaskError('INVALID_ARGUMENT', `invalid schedule: /${field}: ${detail}`, {
    problems: [{ pointer: `/${field}`, detail }],
  })
}
