import { formatNumber } from '../../i18n/number.ts'
import { useText } from '../../i18n/text.ts'

const HEIGHT = 24
const WIDTH = 4

/** Ended tasks of each span as a bar, the failed ones red. */
export function Sparkline({ ended, failed }: { ended: readonly number[]; failed: readonly number[] }) {
  const text = useText()
  const most = Math.max(1, ...ended)
  // A single failure is to be seen beside a thousand.
  const heightOf = (count: number) => (count === 0 ? 0 : Math.max(1.5, (HEIGHT * count) / most))
  const sum = (counts: readonly number[]) => formatNumber(counts.reduce((total, one) => total + one, 0))
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${WIDTH * ended.length} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={text.types.sparkline(sum(ended), sum(failed))}
    >
      {ended.map((count, span) => {
        const [all, bad] = [heightOf(count), heightOf(failed[span] ?? 0)]
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: spans have no other name
          <g key={span}>
            <rect className="spark-ended" x={span * WIDTH} y={HEIGHT - all} width={WIDTH - 1} height={all} />
            <rect className="spark-failed" x={span * WIDTH} y={HEIGHT - bad} width={WIDTH - 1} height={bad} />
          </g>
        )
      })}
    </svg>
  )
}
