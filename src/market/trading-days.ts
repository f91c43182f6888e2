import { type Day, isWeekend, listDays } from './days.ts'
import type { MarketSource, SourceCall } from './sources/source.ts'

export interface TradingDays {
  /** In order. */
  readonly days: readonly Day[]
  /** Weekdays that the calendar lacks: they count as open. */
  readonly assumed: readonly Day[]
}

/** Which days the exchange trades on. */
export interface TradingCalendar {
  between(from: Day, to: Day, call: SourceCall): Promise<TradingDays>
}

interface KnownYear {
  readonly askedOn: Day
  readonly version: string | undefined
  readonly isOpen: ReadonlyMap<Day, boolean>
}

/**
 * Asks the source for a whole year at once and remembers it until the source's calendar has another version. Without
 * versions a past year's calendar never changes, and the current year's is asked for again the next day. Weekends are closed without asking. A weekday that the source's calendar
 * leaves out counts as open: if it was closed, the source has no bars and nothing is stored.
 */
export function createTradingCalendar(source: MarketSource, today: () => Day): TradingCalendar {
  const years = new Map<string, KnownYear>()

  const requireYear = async (
    year: string,
    wanted: readonly Day[],
    call: SourceCall,
  ): Promise<ReadonlyMap<Day, boolean>> => {
    const now = today()
    const version = await source.calendarVersion?.()
    const known = years.get(year)
    const lasts = known?.version === version && (known?.askedOn === now || year < now.slice(0, 4))
    if (known && lasts && wanted.every((day) => known.isOpen.has(day))) return known.isOpen
    const days = await source.calendar(`${year}-01-01`, `${year}-12-31`, call)
    const isOpen = new Map(days.map((entry) => [entry.day, entry.isOpen]))
    years.set(year, { askedOn: now, version, isOpen })
    return isOpen
  }

  return {
    async between(from, to, call) {
      const weekdays = Map.groupBy(
        listDays(from, to).filter((day) => !isWeekend(day)),
        (day) => day.slice(0, 4),
      )
      const days: Day[] = []
      const assumed: Day[] = []
      for (const [year, wanted] of weekdays) {
        const isOpen = await requireYear(year, wanted, call)
        days.push(...wanted.filter((day) => isOpen.get(day) !== false))
        assumed.push(...wanted.filter((day) => !isOpen.has(day)))
      }
      return { days, assumed }
    },
  }
}
