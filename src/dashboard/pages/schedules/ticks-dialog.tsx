import type { ScheduleTicks, ScheduleView } from '../../../client/index.ts'
import { Dialog } from '../../components/dialog.tsx'
import { LongText } from '../../components/foreign.tsx'
import { Link } from '../../components/link.tsx'
import { Instant } from '../../components/time.tsx'
import { useText } from '../../i18n/text.ts'
import { formatDuration } from '../../i18n/time.ts'
import { visible } from '../../i18n/visible.ts'
import { language } from '../../state/preferences.ts'
import { useStore } from '../../state/store.ts'
import { NextTicks } from './next-ticks.tsx'
import { outcomeOf } from './tick-strip.tsx'

/** When a schedule ticks next, and what its newest ticks did. */
export function TicksDialog(props: { schedule: ScheduleView; ticks: ScheduleTicks; onClose: () => void }) {
  const { schedule, ticks, onClose } = props
  const text = useText()
  const lang = useStore(language)
  return (
    <Dialog title={text.schedules.ticksOf(schedule.name)} onClose={onClose} wide>
      {ticks.next.length > 0 && <NextTicks ticks={ticks.next} timeZone={schedule.timeZone} />}
      {ticks.past.length === 0 && <p className="muted">{text.schedules.noTicks}</p>}
      {ticks.past.length > 0 && (
        <table className="plain num">
          <thead>
            <tr>
              <th>{text.schedules.last}</th>
              <th>{text.list.task}</th>
              <th>{text.list.duration}</th>
            </tr>
          </thead>
          <tbody>
            {ticks.past.toReversed().map((tick) => (
              <tr key={tick.at.getTime()}>
                <td>
                  <Instant at={tick.at} />
                </td>
                <td className="foreign">
                  {tick.taskId === null || tick.status === null ? (
                    <span className="muted">{text.schedules.outcomes[outcomeOf(tick)]}</span>
                  ) : (
                    <Link to={{ task: tick.taskId }}>{text.status[tick.status]}</Link>
                  )}
                  {tick.error !== null && (
                    <div className="schedule-error small">
                      <LongText text={visible(tick.error)} />
                    </div>
                  )}
                </td>
                <td data-label={text.list.duration}>
                  {tick.durationMs === null ? text.detail.none : formatDuration(tick.durationMs, lang)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Dialog>
  )
}
