import { useMemo } from 'react'
import type { Percentiles } from '../../../client/index.ts'
import { useText } from '../../i18n/text.ts'
import { formatDuration } from '../../i18n/time.ts'
import { language, zone } from '../../state/preferences.ts'
import { useStore } from '../../state/store.ts'
import { formatSpan } from './span-time.ts'
import type { ChartProps } from './throughput.tsx'
import { TimeChart } from './time-chart.tsx'

const SHARES = [
  { share: 'p50', color: '--fill-blue' },
  { share: 'p95', color: '--violet' },
  { share: 'p99', color: '--fill-red' },
] as const satisfies readonly { share: keyof Percentiles; color: string }[]

/** How long attempts waited for their start, or ran. */
export function Times({
  what,
  overview,
  hovered,
  onHover,
  onPick,
}: ChartProps & { what: 'waiting' | 'running' }) {
  const text = useText()
  const lang = useStore(language)
  const shownZone = useStore(zone)
  const { spans, spanSeconds, whole } = overview
  const at = useMemo(() => spans.map((span) => span.at.getTime() / 1_000), [spans])
  const series = useMemo(
    () =>
      SHARES.map(({ share, color }) => ({ color, values: spans.map((span) => span[what]?.[share] ?? null) })),
    [spans, what],
  )
  const span = hovered === null ? undefined : spans[hovered]
  const times = (span ?? whole)[what]
  const describe = (of: Percentiles | null) =>
    SHARES.map(({ share }) => `${share} ${of ? formatDuration(of[share], lang) : '–'}`)
  return (
    <div className="card chart-card">
      <div className="tile-head">
        <h2>{text.overview[what === 'waiting' ? 'waitingTime' : 'runningTime']}</h2>
        <span className="muted small num">{span && formatSpan(span.at, spanSeconds, lang, shownZone)}</span>
        <span className="tile-sums num">
          {describe(times).map((words, i) => (
            <span key={SHARES[i]?.share} className={`sum-${SHARES[i]?.share}`}>
              {words}
            </span>
          ))}
        </span>
      </div>
      {whole[what] ? (
        <TimeChart
          kind="times"
          at={at}
          spanSeconds={spanSeconds}
          series={series}
          label={describe(whole[what]).join(', ')}
          onHover={onHover}
          onPick={onPick}
        />
      ) : (
        <p className="chart-empty muted">{text.overview.noAttempts}</p>
      )}
    </div>
  )
}
