import type { ErrorGroup } from '../../../client/index.ts'
import { useText } from '../../i18n/text.ts'
import { formatHour } from '../../i18n/time.ts'
import { language, zone } from '../../state/preferences.ts'
import { useStore } from '../../state/store.ts'

const HOUR_MS = 3_600_000
const HEIGHT = 28
const WIDTH = 5
/** So that a single failure beside hundreds can be seen. */
const LEAST = 2

/** Failures of each of the last 24 hours. */
export function Histogram({ group: { hours, hoursUntil } }: { group: ErrorGroup }) {
  const text = useText()
  const lang = useStore(language)
  const shownZone = useStore(zone)
  const most = Math.max(...hours)
  const startOf = (index: number) =>
    formatHour(new Date(hoursUntil.getTime() - (hours.length - 1 - index) * HOUR_MS), lang, shownZone)
  const sum = hours.reduce((total, count) => total + count, 0)
  return (
    <svg
      className="histogram"
      viewBox={`0 0 ${hours.length * WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={text.errors.histogram(sum, most, startOf(hours.indexOf(most)))}
    >
      {hours.map((count, index) => {
        const height = count === 0 ? 1 : Math.max(LEAST, (count / most) * HEIGHT)
        return (
          <rect
            // biome-ignore lint/suspicious/noArrayIndexKey: the place of an hour is what it is
            key={index}
            className={count === 0 ? 'is-zero' : ''}
            x={index * WIDTH}
            y={HEIGHT - height}
            width={WIDTH - 1}
            height={height}
          >
            <title>{text.errors.hour(count, startOf(index))}</title>
          </rect>
        )
      })}
    </svg>
  )
}
