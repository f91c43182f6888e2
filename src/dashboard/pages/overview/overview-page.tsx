import { useQuery } from '@tanstack/react-query'
import type { Overview, OverviewRange } from '../../../client/index.ts'
import { Before } from '../../components/before.tsx'
import { Unread } from '../../components/notice.tsx'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { overviewQuery, statsQuery, typesQuery } from '../../state/queries.ts'
import { go } from '../../state/route.ts'
import { useTitle } from '../../state/use-title.ts'
import { Backlog, Slots } from './backlog.tsx'
import { Charts } from './charts.tsx'
import { Executors } from './executors.tsx'
import { HealthReasons } from './health-reasons.tsx'
import { Ranges, readRange } from './ranges.tsx'

/** The first questions of somebody on call: is it healthy, what is failing, since when, what waits. */
export function OverviewPage({ params }: { params: URLSearchParams }) {
  const text = useText()
  useTitle(text.overview.title)
  const range = readRange(params)
  const taskType = params.get('type') ?? undefined
  const overview = useQuery(overviewQuery(range, taskType))
  return (
    <>
      <h1 className="visually-hidden">{text.overview.title}</h1>
      <HealthReasons />
      <div className="overview-choices">
        <Ranges range={range} to={{ view: 'overview', type: taskType }} />
        <TypeChoice range={range} taskType={taskType} />
      </div>
      <Unread query={overview} lines={6} />
      {overview.data && <Figures overview={overview.data} isBefore={overview.isPlaceholderData} />}
    </>
  )
}

function Figures({ overview, isBefore }: { overview: Overview; isBefore: boolean }) {
  const text = useText()
  return (
    <>
      <section className="overview" aria-label={text.overview.now}>
        <Before isBefore={isBefore}>
          <Backlog overview={overview} />
          <Slots overview={overview} />
        </Before>
        <Executors />
      </section>
      <Before isBefore={isBefore}>
        <Charts overview={overview} />
      </Before>
    </>
  )
}

interface Choice {
  readonly range: OverviewRange
  readonly taskType: string | undefined
}

function TypeChoice({ range, taskType }: Choice) {
  const text = useText()
  const stats = useQuery(statsQuery)
  const types = useQuery(typesQuery)
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
