import { useQuery } from '@tanstack/react-query'
import type { TaskStats } from '../../../client/index.ts'
import { MAX_EXACT_TOTAL } from '../../../contract/exact-total.ts'
import { Link } from '../../components/link.tsx'
import { formatNumber } from '../../i18n/number.ts'
import { useText } from '../../i18n/text.ts'
import type { TaskFilter } from '../../requests.ts'
import { statsQuery } from '../../state/queries.ts'
import { toQuery } from './filter.ts'

const STATES = ['pending', 'running', 'completed', 'failed', 'cancelled'] as const
type Counts = TaskStats['byStatus']

export function StateTabs({ filter }: { filter: TaskFilter }) {
  const text = useText()
  const stats = useQuery(statsQuery).data
  const counts = countsFor(stats, filter)
  const current = filter.status?.length === 1 ? filter.status[0] : undefined
  const types = stats?.byType.filter(({ taskType }) => !filter.taskType || taskType === filter.taskType)
  const isCapped = (state: (typeof STATES)[number]) =>
    stats?.isCapped === true &&
    state !== 'pending' &&
    state !== 'running' &&
    types?.some((type) => type[state] >= MAX_EXACT_TOTAL) === true
  const sum = counts && STATES.reduce((total, state) => total + counts[state], 0)
  return (
    <nav className="tabs" aria-label={text.list.states}>
      <Tab
        label={text.status.all}
        to={toQuery({ ...filter, status: [] })}
        isCurrent={!filter.status?.length}
        count={sum}
        isCapped={STATES.some(isCapped)}
      />
      {STATES.map((state) => (
        <Tab
          key={state}
          kind={state}
          label={text.status[state]}
          to={toQuery({ ...filter, status: [state] })}
          isCurrent={current === state}
          count={counts?.[state]}
          isCapped={isCapped(state)}
        />
      ))}
    </nav>
  )
}

/** Counted are all tasks or those of a type; with other filters the counts differ from the list. */
function countsFor(stats: TaskStats | undefined, filter: TaskFilter): Counts | undefined {
  const { status: _tab, taskType, sort: _order, ...others } = filter
  if (!stats || Object.keys(others).length > 0) return undefined
  if (!taskType) return stats.byStatus
  const none = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }
  return stats.byType.find((type) => type.taskType === taskType) ?? none
}

function Tab(props: {
  label: string
  to: ReturnType<typeof toQuery>
  isCurrent: boolean
  count: number | undefined
  isCapped: boolean
  kind?: string
}) {
  const { label, to, isCurrent, count, isCapped, kind = 'all' } = props
  return (
    <Link to={to} className={`tab tab-${kind}`} {...(isCurrent ? { 'aria-current': 'true' as const } : {})}>
      {label}
      {count !== undefined && (
        <span className={`tab-count num ${count === 0 ? 'is-zero' : ''}`}>
          {formatNumber(count)}
          {isCapped ? '+' : ''}
        </span>
      )}
    </Link>
  )
}
