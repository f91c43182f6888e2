import type { Zone } from '../../i18n/languages.ts'
import type { TaskFilter } from '../../requests.ts'

const MINUTE_MS = 60_000

/** What somebody on call asks for, as instants: a link shows the same to everybody. */
export const PERIODS = ['quarter', 'hour', 'night'] as const
export type Period = (typeof PERIODS)[number]

export function periodOf(
  period: Period,
  now: number,
  zone: Zone,
): Pick<TaskFilter, 'createdAfter' | 'createdBefore'> {
  if (period === 'night') return lastNight(new Date(now), zone)
  const minutes = period === 'hour' ? 60 : 15
  return { createdAfter: new Date(now - minutes * MINUTE_MS), createdBefore: undefined }
}

/** From 20:00 of the day before to 08:00 of today, in a time zone; before 08:00 to now. */
function lastNight(now: Date, zone: Zone): Pick<TaskFilter, 'createdAfter' | 'createdBefore'> {
  /** Negative hours are those of the day before. */
  const today = (hour: number) => {
    const at = new Date(now)
    if (zone === 'utc') at.setUTCHours(hour, 0, 0, 0)
    else at.setHours(hour, 0, 0, 0)
    return at
  }
  const morning = today(8)
  return { createdAfter: today(-4), createdBefore: morning < now ? morning : undefined }
}
