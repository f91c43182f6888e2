import { useMemo } from 'react'
import type { Overview } from '../../../client/index.ts'
import { Link } from '../../components/link.tsx'
import { formatNumber } from '../../i18n/number.ts'
import { useText } from '../../i18n/text.ts'
import { language, zone } from '../../state/preferences.ts'
import { useStore } from '../../state/store.ts'
import { formatSpan } from './span-time.ts'
import { TimeChart } from './time-chart.tsx'

export interface ChartProps {
  readonly overview: Overview
  readonly hovered: number | null
  readonly onHover: (index: number | null) => void
  readonly onPick: (index: number) => void
}

/** From the bottom of a bar to its top. */
const KINDS = [
  { kind: 'completed', color: '--fill-green' },
  { kind: 'failed', color: '--fill-red' },
  { kind: 'retried', color: '--fill-amber' },
  { kind: 'cancelled', color: '--fill-grey' },
] as const

/** How many tasks ended in each span, and how. */
export function Throughput({ overview, hovered, onHover, onPick }: ChartProps) {
  const text = useText()
  const lang = useStore(language)
  const shownZone = useStore(zone)
  const { spans, spanSeconds, whole, taskType } = overview
  const at = useMemo(() => spans.map((span) => span.at.getTime() / 1_000), [spans])
  // A bar hides what is below it: the whole first.
  const series = useMemo(() => {
    const sums = spans.map(() => 0)
    return KINDS.map(({ kind, color }) => {
      spans.forEach((span, i) => {
        sums[i] = (sums[i] ?? 0) + span[kind]
      })
      return { color, values: [...sums] }
    }).reverse()
  }, [spans])
  const span = hovered === null ? undefined : spans[hovered]
  const since = spans[0]?.at.toISOString()
  return (
    <div className="card chart-card chart-wide">
      <div className="tile-head">
        <h2>{text.overview.throughput}</h2>
        <span className="muted small num">{span && formatSpan(span.at, spanSeconds, lang, shownZone)}</span>
        <span className="tile-sums num">
          {KINDS.map(({ kind }) => {
            const words = text.overview.ends[kind](formatNumber((span ?? whole)[kind]))
            const status = kind === 'retried' ? undefined : kind
            return status ? (
              <Link
                key={kind}
                className={`sum-${kind}`}
                to={{ view: 'tasks', status, type: taskType, after: since }}
              >
                {words}
              </Link>
            ) : (
              <span key={kind} className={`sum-${kind}`}>
                {words}
              </span>
            )
          })}
        </span>
      </div>
      <TimeChart
        kind="bars"
        at={at}
        spanSeconds={spanSeconds}
        series={series}
        label={KINDS.map(({ kind }) => text.overview.ends[kind](formatNumber(whole[kind]))).join(', ')}
        onHover={onHover}
        onPick={onPick}
      />
    </div>
  )
}
