import { useState } from 'react'
import type { Overview, OverviewSpan, Percentiles } from '../../../client/index.ts'
import { Link } from '../../components/link.tsx'
import { formatNumber } from '../../i18n/number.ts'
import { useText } from '../../i18n/text.ts'
import { formatDuration } from '../../i18n/time.ts'
import { language, zone } from '../../state/preferences.ts'
import { useStore } from '../../state/store.ts'
import { formatSpan, tasksOf } from './span-time.ts'

const ENDS = ['completed', 'failed', 'retried', 'cancelled'] as const

const isEmpty = (span: OverviewSpan) =>
  ENDS.every((end) => span[end] === 0) && span.waiting === null && span.running === null

/** What the charts show, for those who cannot see them, or want the numbers. */
export function FiguresTable({ overview }: { overview: Overview }) {
  const text = useText()
  const lang = useStore(language)
  const shownZone = useStore(zone)
  const [isOpen, setOpen] = useState(false)
  const { spans, spanSeconds, taskType } = overview
  const times = (of: Percentiles | null) =>
    of ? [of.p50, of.p95, of.p99].map((ms) => formatDuration(ms, lang)).join(' / ') : '–'
  return (
    <details className="figures" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{text.overview.asTable}</summary>
      {isOpen && (
        <div className="card table-card">
          <table className="plain num">
            <thead>
              <tr>
                <th>{text.overview.span}</th>
                {ENDS.map((end) => (
                  <th key={end}>{text.overview.endNames[end]}</th>
                ))}
                <th>{text.overview.waitingTime} p50 / p95 / p99</th>
                <th>{text.overview.runningTime} p50 / p95 / p99</th>
              </tr>
            </thead>
            <tbody>
              {spans
                .filter((span) => !isEmpty(span))
                .toReversed()
                .map((span) => (
                  <tr key={span.at.getTime()}>
                    <td>
                      <Link to={tasksOf(span.at, spanSeconds, taskType)} title={text.overview.createdThen}>
                        {formatSpan(span.at, spanSeconds, lang, shownZone)}
                      </Link>
                    </td>
                    {ENDS.map((end) => (
                      <td key={end} data-label={text.overview.endNames[end]}>
                        {formatNumber(span[end])}
                      </td>
                    ))}
                    <td data-label={text.overview.waitingTime}>{times(span.waiting)}</td>
                    <td data-label={text.overview.runningTime}>{times(span.running)}</td>
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  )
}
