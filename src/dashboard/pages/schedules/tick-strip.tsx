import type { ScheduleTick } from '../../../client/index.ts'
import { useText } from '../../i18n/text.ts'
import { formatInstant } from '../../i18n/time.ts'
import { language, zone } from '../../state/preferences.ts'
import { useStore } from '../../state/store.ts'

const WIDTH = 7
const HEIGHT = 20
const SHOWN = 20

/** Its newest ticks, one bar each, in the colours of what became of them. */
export function TickStrip({ past }: { past: readonly ScheduleTick[] }) {
  const lang = useStore(language)
  const shownZone = useStore(zone)
  const text = useText()
  return (
    <svg className="tick-strip" viewBox={`0 0 ${SHOWN * WIDTH} ${HEIGHT}`} aria-hidden="true">
      {past.map((tick, i) => (
        <rect
          key={tick.at.getTime()}
          className={`tick tick-${outcomeOf(tick)}`}
          x={(SHOWN - past.length + i) * WIDTH}
          width={WIDTH - 2}
          height={HEIGHT}
          rx={1.5}
        >
          <title>{`${formatInstant(tick.at, lang, shownZone)} · ${text.schedules.outcomes[outcomeOf(tick)]}`}</title>
        </rect>
      ))}
    </svg>
  )
}

/** `none`: the tick created no task; `gone`: its task was deleted. */
export function outcomeOf({ taskId, status }: ScheduleTick) {
  return taskId === null ? 'none' : (status ?? 'gone')
}
