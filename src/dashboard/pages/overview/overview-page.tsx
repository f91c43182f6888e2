import { useState } from 'react'
import type { Overview, OverviewRange } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { Link } from '../../components/link.tsx'
import { Failure, Skeleton } from '../../components/notice.tsx'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { go } from '../../state/route.ts'
import { useServerState } from '../../state/server-state.tsx'
import { useQuery } from '../../state/use-query.ts'
import { useTitle } from '../../state/use-title.ts'
import { Backlog, Slots } from './backlog.tsx'
import { Executors } from './executors.tsx'
import { FiguresTable } from './figures-table.tsx'
import { HealthReasons } from './health-reasons.tsx'
import { tasksOf } from './span-time.ts'
import { Throughput } from './throughput.tsx'
import { Times } from './times.tsx'

const RANGES = ['1h', '24h', '7d'] as const satisfies readonly OverviewRange[]
const POLL_MS = 10_000

/** The first questions of somebody on call: is it healthy, what is failing, since when, what waits. */
export function OverviewPage({ params }: { params: URLSearchParams }) {
  const text = useText()
  useTitle(text.overview.title)
  const range = RANGES.find((one) => one === params.get('range')) ?? '1h'
  const taskType = params.get('type') ?? undefined
  const overview = useQuery(
    `overview ${range} ${taskType ?? ''}`,
    (signal) => client.getOverview({ range, taskType }, { signal }),
    { everyMs: POLL_MS, keepPrevious: true },
  )
  return (
    <>
      <h1 className="visually-hidden">{text.overview.title}</h1>
      <HealthReasons />
      <div className="overview-choices">
        <Ranges range={range} taskType={taskType} />
        <TypeChoice range={range} taskType={taskType} />
      </div>
      {overview.error && !overview.data && <Failure error={overview.error} onRetry={overview.refetch} />}
      {!overview.error && !overview.data && <Skeleton lines={6} />}
      {overview.data && <Figures overview={overview.data} />}
    </>
  )
}

function Figures({ overview }: { overview: Overview }) {
  const text = useText()
  const [hovered, setHovered] = useState<number | null>(null)
  const { spans, spanSeconds, taskType } = overview
  const pick = (index: number) => {
    const span = spans[index]
    if (span) go(tasksOf(span.at, spanSeconds, taskType))
  }
  const shown = { overview, hovered, onHover: setHovered, onPick: pick }
  return (
    <>
      <section className="overview" aria-label={text.overview.now}>
        <Backlog overview={overview} />
        <Slots overview={overview} />
        <Executors />
      </section>
      <section className="charts" aria-label={text.overview.charts}>
        <Throughput {...shown} />
        <Times what="waiting" {...shown} />
        <Times what="running" {...shown} />
      </section>
      <FiguresTable overview={overview} />
    </>
  )
}

interface Choice {
  readonly range: OverviewRange
  readonly taskType: string | undefined
}

function Ranges({ range, taskType }: Choice) {
  const text = useText()
  return (
    <nav className="segments" aria-label={text.overview.range}>
      {RANGES.map((one) => (
        <Link
          key={one}
          to={{ view: 'overview', range: one, type: taskType }}
          {...(one === range ? { 'aria-current': 'true' as const } : {})}
        >
          {text.overview.ranges[one]}
        </Link>
      ))}
    </nav>
  )
}

function TypeChoice({ range, taskType }: Choice) {
  const text = useText()
  const { stats, types } = useServerState()
  const known = new Set([
    ...(types.data?.map((one) => one.taskType) ?? []),
    ...(stats.data?.byType.map((one) => one.taskType) ?? []),
    ...(taskType === undefined ? [] : [taskType]),
  ])
  return (
    <select
      aria-label={text.list.type}
      value={taskType ?? ''}
      onChange={(event) => go({ view: 'overview', range, type: event.target.value }, { replace: true })}
    >
      <option value="">{text.list.anyType}</option>
      {[...known].sort().map((one) => (
        <option key={one} value={one}>
          {visible(one)}
        </option>
      ))}
    </select>
  )
}
