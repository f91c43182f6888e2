import type { TaskFilter } from '../../requests.ts'

const MINUTE_MS = 60_000

/** What somebody on call asks for, as instants: a link shows the same to everybody. */
export const PERIODS = ['quarter', 'hour', 'night'] as const
export type Period = (typeof PERIODS)[number]

export function periodOf(period: Period, now: number): Pick<TaskFilter, 'createdAfter' | 'createdBefore'> {
  if (period === 'night') return lastNight(new Date(now))
  const minutes = period === 'hour' ? 60 : 15
  return { createdAfter: new Date(now - minutes * MINUTE_MS), createdBefore: undefined }
}

/** From 20:00 of the day before to 08:00 of today, in the browser's time zone; before 08:00 to now. */
function lastNight(now: Date): Pick<TaskFilter, 'createdAfter' | 'createdBefore'> {
  const day = [now.getFullYear(), now.getMonth(), now.getDate()] as const
  const morning = new Date(...day, 8)
  return {
    createdAfter: new Date(day[0], day[1], day[2] - 1, 20),
    createdBefore: morning < now ? morning : undefined,
  }
}
