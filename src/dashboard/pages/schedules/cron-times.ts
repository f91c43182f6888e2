import { Cron } from 'croner'

const SHOWN = 5

/** The next ticks of an expression after an instant, as the engine reads it; what is wrong with it otherwise. */
export function findNextTicks(cron: string, timeZone: string, after = new Date()): Date[] | string {
  try {
    const times = new Cron(cron, {
      paused: true,
      timezone: timeZone,
      mode: '5-or-6-parts',
      fixedTimeRule: 'no-wildcard',
    })
    return times.getOnce() ? [] : times.nextRuns(SHOWN, after)
  } catch (error) {
    // Croner's messages are "CronPattern: reason".
    return error instanceof Error ? error.message.replace(/^\w+: /, '') : String(error)
  }
}
