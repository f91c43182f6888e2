import type { ScheduleOptions } from '../engine/schedules/schedule-options.ts'

/**
 * The bundled server's own schedules, for the plugin's `schedules`. The day's bars are out some two hours after the close
 * at 15:00. A day that was missed would leave a hole that nobody sees: hence `all`.
 */
export const marketSchedules: readonly ScheduleOptions[] = [
  {
    name: 'backfill_of_the_day',
    cron: '30 17 * * 1-5',
    timeZone: 'Asia/Shanghai',
    task: 'backfill_by_date',
    enabled: false,
    missed: 'all',
  },
]
