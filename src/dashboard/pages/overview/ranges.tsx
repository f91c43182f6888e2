import type { OverviewRange } from '../../../client/index.ts'
import { Link } from '../../components/link.tsx'
import { useText } from '../../i18n/text.ts'
import type { Query } from '../../state/route.ts'

const RANGES = ['1h', '24h', '7d'] as const satisfies readonly OverviewRange[]

export function readRange(params: URLSearchParams): OverviewRange {
  return RANGES.find((one) => one === params.get('range')) ?? '1h'
}

/** How far back a page reads; `to` is the page. */
export function Ranges({ range, to }: { range: OverviewRange; to: Query }) {
  const text = useText()
  return (
    <nav className="segments" aria-label={text.overview.range}>
      {RANGES.map((one) => (
        <Link
          key={one}
          to={{ ...to, range: one }}
          {...(one === range ? { 'aria-current': 'true' as const } : {})}
        >
          {text.overview.ranges[one]}
        </Link>
      ))}
    </nav>
  )
}
