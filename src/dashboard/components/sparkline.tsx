import type { TaskStats } from '../../client/index.ts'
import { useText } from '../i18n/text.ts'

const WIDTH = 4
const GAP = 1
const HEIGHT = 36

/** One bar a minute of the last hour: completed below, failed on top, then cancelled. */
export function Sparkline({ minutes }: { minutes: TaskStats['finishedPerMinute'] }) {
  const text = useText()
  const highest = Math.max(1, ...minutes.map((one) => one.completed + one.failed + one.cancelled))
  const sum = (pick: 'completed' | 'failed' | 'cancelled') =>
    minutes.reduce((total, one) => total + one[pick], 0)
  const summary = text.overview.hourSummary(sum('completed'), sum('failed'), sum('cancelled'))
  const scale = (count: number) => (count === 0 ? 0 : Math.max(1.5, (count / highest) * (HEIGHT - 2)))
  return (
    <svg
      className="sparkline"
      role="img"
      aria-label={summary}
      viewBox={`0 0 ${minutes.length * (WIDTH + GAP)} ${HEIGHT}`}
      preserveAspectRatio="none"
    >
      {minutes.map(({ minute, completed, failed, cancelled }, index) => {
        const x = index * (WIDTH + GAP)
        const [low, middle, top] = [scale(completed), scale(failed), scale(cancelled)]
        const time = minute.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })
        return (
          <g key={minute.getTime()}>
            <title>{text.overview.perMinute(time, completed, failed, cancelled)}</title>
            <rect className="spark-base" x={x} y={HEIGHT - 1} width={WIDTH} height={1} />
            <rect className="spark-completed" x={x} y={HEIGHT - low} width={WIDTH} height={low} />
            <rect className="spark-failed" x={x} y={HEIGHT - low - middle} width={WIDTH} height={middle} />
            <rect
              className="spark-cancelled"
              x={x}
              y={HEIGHT - low - middle - top}
              width={WIDTH}
              height={top}
            />
          </g>
        )
      })}
    </svg>
  )
}
