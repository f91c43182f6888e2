import { keepPreviousData, useQuery } from '@tanstack/react-query'
import type { OverviewByType, OverviewRange, TaskTypeView } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { Before } from '../../components/before.tsx'
import { Link } from '../../components/link.tsx'
import { Empty, Unread, Warning } from '../../components/notice.tsx'
import { TableHead } from '../../components/table-head.tsx'
import { useText } from '../../i18n/text.ts'
import { formatDuration } from '../../i18n/time.ts'
import { visible } from '../../i18n/visible.ts'
import { useFormerPlace } from '../../state/place.ts'
import { language } from '../../state/preferences.ts'
import { every, statsQuery, typesQuery } from '../../state/queries.ts'
import { ForChanges } from '../../state/server-state.tsx'
import { useStore } from '../../state/store.ts'
import { useTitle } from '../../state/use-title.ts'
import { Ranges, readRange } from '../overview/ranges.tsx'
import { RunningOf } from './limits.tsx'
import { countEnded, describeRate, failedShare, formatShare } from './rate.ts'
import { Sparkline } from './sparkline.tsx'
import { TypeActions } from './type-actions.tsx'
import { TypeBacklog } from './type-backlog.tsx'
import { TypePage } from './type-page.tsx'
import { Defaults, TypeState } from './type-state.tsx'

const POLL_MS = 10_000

export function TypesPage({ params }: { params: URLSearchParams }) {
  const taskType = params.get('type')
  const range = readRange(params)
  return taskType === null ? <AllTypes range={range} /> : <TypePage taskType={taskType} range={range} />
}

/** Each type's rate, failures and times, what waits of it, and what one does about it. */
function AllTypes({ range }: { range: OverviewRange }) {
  const text = useText()
  useTitle(text.types.title)
  const types = useQuery(typesQuery)
  const stats = useQuery(statsQuery)
  const figures = useQuery({
    queryKey: ['overview by type', range],
    queryFn: ({ signal }) => client.getOverviewByType({ range }, { signal }),
    refetchInterval: every(POLL_MS),
    placeholderData: keepPreviousData,
  })
  useFormerPlace(types.data !== undefined && figures.data !== undefined)
  const waiting = stats.data?.byType.filter((one) => one.waitingFor === 'executor') ?? []
  const names = listNames(types.data, figures.data)
  return (
    <>
      <div className="page-head">
        <h1>{text.types.title}</h1>
        <Ranges range={range} to={{ view: 'types' }} />
      </div>
      {waiting.length > 0 && (
        <Warning>
          {text.types.withoutExecutor(waiting.map((one) => visible(one.taskType)).join(', '))}
        </Warning>
      )}
      <Unread query={types.data ? figures : types} lines={4} />
      {names?.length === 0 && (
        <Empty title={text.form.noTypes}>
          <p>{text.form.noTypesText}</p>
        </Empty>
      )}
      {names && names.length > 0 && (
        <Before isBefore={figures.isPlaceholderData}>
          <TypesTable names={names} range={range} figures={figures.data} />
        </Before>
      )}
    </>
  )
}

function TypesTable(props: {
  names: readonly string[]
  range: OverviewRange
  figures: OverviewByType | undefined
}) {
  const { names, range, figures } = props
  const text = useText()
  const types = useQuery(typesQuery).data
  return (
    <div className="card table-card">
      <table className="plain types">
        <TableHead
          columns={[
            text.types.type,
            text.types.ended,
            text.types.failed,
            text.types.p95,
            text.types.backlog,
            text.status.running,
            text.types.state,
          ]}
        />
        <tbody>
          {names.map((name) => (
            <TypeRow
              key={name}
              taskType={name}
              range={range}
              type={types?.find((one) => one.taskType === name)}
              figures={figures}
            />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function listNames(types: readonly TaskTypeView[] | undefined, figures: OverviewByType | undefined) {
  if (!types || !figures) return undefined
  return [...new Set([...types, ...figures.types].map(({ taskType }) => taskType))].sort()
}

function TypeRow(props: {
  taskType: string
  range: OverviewRange
  type: TaskTypeView | undefined
  /** Of another range until its own are there. */
  figures: OverviewByType | undefined
}) {
  const { taskType, range, type, figures } = props
  const text = useText()
  const lang = useStore(language)
  const own = figures?.types.find((one) => one.taskType === taskType)
  const { whole } = own ?? {}
  const share = whole && failedShare(whole)
  return (
    <tr>
      <td className="foreign">
        <Link className="strong" to={{ view: 'types', type: taskType, range }}>
          {visible(taskType)}
        </Link>
        {type && (
          <div className="muted small">
            <Defaults type={type} />
          </div>
        )}
      </td>
      <td data-label={text.types.ended} className="num cell-rate">
        {figures && whole ? describeRate(whole, figures.range, text) : text.detail.none}
        {own && whole && countEnded(whole) > 0 && <Sparkline ended={own.ended} failed={own.failed} />}
      </td>
      <td data-label={text.types.failed} className="num">
        {share === undefined ? (
          text.detail.none
        ) : (
          <Link className={share > 0 ? 'count-failed' : 'muted'} to={{ type: taskType, status: 'failed' }}>
            {formatShare(share)}
          </Link>
        )}
      </td>
      <td data-label={text.types.p95} className="num">
        {whole?.running ? formatDuration(whole.running.p95, lang) : text.detail.none}
      </td>
      <td data-label={text.types.backlog} className="num">
        <TypeBacklog taskType={taskType} backlog={own?.backlog} />
      </td>
      <td data-label={text.status.running} className="num">
        <Link to={{ type: taskType, status: 'running' }} className="count">
          <RunningOf type={type} running={own?.running ?? 0} />
        </Link>
      </td>
      <td>
        <TypeState type={type} />
      </td>
      <td className="row-actions">
        <ForChanges>
          <TypeActions taskType={taskType} paused={type?.paused} />
        </ForChanges>
      </td>
    </tr>
  )
}
