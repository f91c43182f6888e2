import { useQuery } from '@tanstack/react-query'
import type { Overview } from '../../../client/index.ts'
import { Link } from '../../components/link.tsx'
import { formatNumber } from '../../i18n/number.ts'
import { useText } from '../../i18n/text.ts'
import { formatSeconds } from '../../i18n/time.ts'
import { oldestWait } from '../../state/health.ts'
import { language } from '../../state/preferences.ts'
import { statsQuery } from '../../state/queries.ts'
import { useStore } from '../../state/store.ts'

const OTHERS = ['retrying', 'later', 'paused', 'unserved'] as const

/** What waits, and for what. */
export function Backlog({ overview: { backlog, taskType } }: { overview: Overview }) {
  const text = useText()
  const lang = useStore(language)
  const oldest = oldestWait(useQuery(statsQuery).data)
  return (
    <div className="card tile">
      <div className="tile-head">
        <h2>{text.overview.waiting}</h2>
      </div>
      <p className="tile-figure num">
        <Link to={{ status: 'pending', type: taskType }}>{formatNumber(backlog.due)}</Link>
      </p>
      <p className="muted small num">
        {backlog.due === 0
          ? text.overview.nothingWaits
          : taskType === null && oldest !== null && text.overview.oldest(formatSeconds(oldest, lang))}
      </p>
      {OTHERS.map(
        (kind) =>
          backlog[kind] > 0 && (
            <p key={kind} className="muted small num">
              {text.overview.backlog[kind](backlog[kind])}
            </p>
          ),
      )}
    </div>
  )
}

export function Slots({ overview: { slots } }: { overview: Overview }) {
  const text = useText()
  const share = slots.all === 0 ? 0 : slots.used / slots.all
  return (
    <div className="card tile">
      <div className="tile-head">
        <h2>{text.overview.slotsTitle}</h2>
      </div>
      <p className="tile-figure num">
        <Link to={{ status: 'running' }}>
          {slots.used}/{slots.all}
        </Link>
      </p>
      <svg className="meter" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
        <rect className="meter-ground" width="100" height="4" />
        <rect className={share >= 1 ? 'meter-full' : 'meter-used'} width={100 * share} height="4" />
      </svg>
    </div>
  )
}
