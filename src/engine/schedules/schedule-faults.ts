import { MISSED_TICKS, type ScheduleView } from '../../contract/schedule.ts'
import { describeError } from '../definition/outcome.ts'
import { decodeScheduleParams } from '../definition/params.ts'
import type { ScheduleRow } from '../store/schedules.ts'
import { parseCron } from './cron.ts'

/** Replaces unreadable values, written by others, by their defaults and names them in `lastError`. */
export function readSchedule({ revision: _revision, ...row }: ScheduleRow): ScheduleView {
  const faults: string[] = []
  const read = <T>(value: () => T, otherwise: T): T => {
    try {
      return value()
    } catch (error) {
      faults.push(describeError(error))
      return otherwise
    }
  }
  const params = read(() => decodeScheduleParams(row.taskType, row.params), {})
  const times = read(() => parseCron(row.cron, row.timeZone), undefined)
  const isMissed = MISSED_TICKS.includes(row.missed)
  if (!isMissed) faults.push(`missed: expected one of ${MISSED_TICKS.join(', ')}`)
  if (times && row.enabled && !row.nextRunAt && row.lastError === null) {
    faults.push('it has no next tick: change its cron, or disable and enable it')
  }
  return {
    ...row,
    params,
    missed: isMissed ? row.missed : 'skip',
    lastError: faults.length > 0 ? faults.join('; ') : row.lastError,
  }
}
