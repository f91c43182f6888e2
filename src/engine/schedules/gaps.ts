/** Local times that a time zone skips, as in spring. As if they were UTC: from `from` up to, but without, `to`. */
export interface Gap {
  /** The first instant after it. */
  readonly at: number
  readonly from: number
  readonly to: number
}

const DAY_MS = 86_400_000

const known = new Map<string, readonly Gap[]>()

/** The gaps after an instant, up to another. */
export function listGaps(timeZone: string, after: Date, until: Date): Gap[] {
  const gaps: Gap[] = []
  for (let year = after.getUTCFullYear(); year <= until.getUTCFullYear(); year += 1) {
    gaps.push(...gapsOf(timeZone, year))
  }
  return gaps.filter(({ at }) => at > +after && at <= +until)
}

function gapsOf(timeZone: string, year: number): readonly Gap[] {
  const key = `${timeZone} ${year}`
  const gaps = known.get(key) ?? findGaps(offsetsOf(timeZone), year)
  known.set(key, gaps)
  return gaps
}

/** Clocks change at most once a day. */
function findGaps(offsetAt: (ms: number) => number, year: number): Gap[] {
  const gaps: Gap[] = []
  for (let day = Date.UTC(year, 0, 1); day < Date.UTC(year + 1, 0, 1); day += DAY_MS) {
    const before = offsetAt(day)
    const after = offsetAt(day + DAY_MS)
    if (after <= before) continue
    let [last, at] = [day, day + DAY_MS]
    while (at - last > 1_000) {
      const middle = last + Math.floor((at - last) / 2_000) * 1_000
      if (offsetAt(middle) === before) last = middle
      else at = middle
    }
    gaps.push({ at, from: at + before, to: at + after })
  }
  return gaps
}

/** Milliseconds from UTC. */
function offsetsOf(timeZone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' })
  return (ms) => {
    const [, sign, hours, minutes, seconds = 0] =
      /GMT([+-])(\d+):(\d+)(?::(\d+))?$/.exec(format.format(ms)) ?? []
    const total = Number(hours ?? 0) * 3_600 + Number(minutes ?? 0) * 60 + Number(seconds)
    return (sign === '-' ? -total : total) * 1_000
  }
}
