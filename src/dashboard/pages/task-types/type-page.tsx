import { useQuery } from '@tanstack/react-query'
import type { Overview, OverviewRange, TaskTypeView } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { Before } from '../../components/before.tsx'
import { Name } from '../../components/foreign.tsx'
import { JsonTree } from '../../components/json-tree.tsx'
import { Link } from '../../components/link.tsx'
import { Unread, Warning } from '../../components/notice.tsx'
import { Ago } from '../../components/time.tsx'
import { useText } from '../../i18n/text.ts'
import { formatDuration } from '../../i18n/time.ts'
import { visible } from '../../i18n/visible.ts'
import { useFormerPlace } from '../../state/place.ts'
import { language } from '../../state/preferences.ts'
import { executorsQuery, overviewQuery, schedulesQuery, statsQuery, typesQuery } from '../../state/queries.ts'
import { ForChanges } from '../../state/server-state.tsx'
import { useStore } from '../../state/store.ts'
import { useTitle } from '../../state/use-title.ts'
import { Charts } from '../overview/charts.tsx'
import { Ranges } from '../overview/ranges.tsx'
import { RunningOf } from './limits.tsx'
import { describeRate, failedShare, formatShare } from './rate.ts'
import { TypeActions } from './type-actions.tsx'
import { TypeBacklog } from './type-backlog.tsx'
import { Defaults, TypeState } from './type-state.tsx'

/** One type: its figures over time, what waits of it, who runs it, and what makes its tasks. */
export function TypePage({ taskType, range }: { taskType: string; range: OverviewRange }) {
  const text = useText()
  useTitle(visible(taskType))
  const types = useQuery(typesQuery)
  const stats = useQuery(statsQuery)
  const type = types.data?.find((one) => one.taskType === taskType)
  const overview = useQuery(overviewQuery(range, taskType))
  useFormerPlace(overview.data !== undefined)
  const isUnserved = stats.data?.byType.some((one) => one.taskType === taskType && one.waitingFor)
  return (
    <>
      <div className="page-head">
        <div className="type-title">
          <Link to={{ view: 'types', range }}>{text.types.title}</Link>
          <h1 className="foreign">{visible(taskType)}</h1>
          {types.data && <TypeState type={type} />}
        </div>
        <ForChanges>
          <div className="actions">
            <TypeActions taskType={taskType} paused={type?.paused} isWide />
          </div>
        </ForChanges>
      </div>
      {isUnserved && <Warning>{text.types.withoutExecutor(visible(taskType))}</Warning>}
      {type?.paused && <PausedBy taskType={taskType} />}
      <Ranges range={range} to={{ view: 'types', type: taskType }} />
      <Unread query={overview} lines={6} />
      {overview.data && (
        <Before isBefore={overview.isPlaceholderData}>
          <TypeTiles overview={overview.data} taskType={taskType} type={type} />
          <Charts overview={overview.data} />
        </Before>
      )}
      <div className="type-facts">
        <TypeExecutors taskType={taskType} />
        <TypeSchedules taskType={taskType} />
        {type && (
          <section className="card">
            <h2>{text.form.params}</h2>
            <p className="muted small">
              <Defaults type={type} />
            </p>
            <JsonTree value={type.params} />
          </section>
        )}
      </div>
    </>
  )
}

/** From the audit; nothing where it does not know. */
function PausedBy({ taskType }: { taskType: string }) {
  const text = useText()
  const found = useQuery({
    queryKey: ['pauses', taskType],
    queryFn: ({ signal }) => client.listAudit({ subject: taskType, action: 'type.pause' }, { signal }),
  })
  const pause = found.data?.entries.find(({ outcome }) => outcome === 'ok')
  return (
    <Warning>
      {text.types.pauseHint}{' '}
      {pause && (
        <Link to={{ view: 'activity', subject: taskType }}>
          {text.types.pausedBy(visible(pause.actor.name ?? pause.actor.id ?? text.activity.unknown))}{' '}
          <Ago at={pause.at} />
        </Link>
      )}
    </Warning>
  )
}

function TypeTiles(props: { overview: Overview; taskType: string; type: TaskTypeView | undefined }) {
  const { overview, taskType, type } = props
  const text = useText()
  const lang = useStore(language)
  const { range, whole, backlog } = overview
  const stats = useQuery(statsQuery)
  const running = stats.data?.byType.find((one) => one.taskType === taskType)?.running ?? 0
  const share = failedShare(whole)
  const time = (ms: number | undefined) => (ms === undefined ? text.detail.none : formatDuration(ms, lang))
  return (
    <dl className="card type-tiles num">
      <div>
        <dt>{text.types.ended}</dt>
        <dd>{describeRate(whole, range, text)}</dd>
      </div>
      <div>
        <dt>{text.types.failed}</dt>
        <dd>
          <Link className={share ? 'count-failed' : ''} to={{ type: taskType, status: 'failed' }}>
            {share === undefined ? text.detail.none : formatShare(share)}
          </Link>
        </dd>
      </div>
      <div>
        <dt>{text.types.p95}</dt>
        <dd>{time(whole.running?.p95)}</dd>
      </div>
      <div>
        <dt>{text.types.waitingP95}</dt>
        <dd>{time(whole.waiting?.p95)}</dd>
      </div>
      <div>
        <dt>{text.status.running}</dt>
        <dd>
          <Link to={{ type: taskType, status: 'running' }}>
            <RunningOf type={type} running={running} />
          </Link>
        </dd>
      </div>
      <div>
        <dt>{text.types.backlog}</dt>
        <dd>
          <TypeBacklog taskType={taskType} backlog={backlog} />
        </dd>
      </div>
    </dl>
  )
}

function TypeExecutors({ taskType }: { taskType: string }) {
  const text = useText()
  const executors = useQuery(executorsQuery).data ?? []
  const serving = executors.filter(({ alive, taskTypes }) => alive && taskTypes.includes(taskType))
  return (
    <section className="card">
      <h2>{text.overview.executors}</h2>
      {serving.length === 0 && <p className="muted">{text.detail.none}</p>}
      <ul>
        {serving.map(({ id, host, pid }) => (
          <li key={id}>
            <Link to={{ view: 'executors', executor: id }}>
              <Name text={`${host} · ${pid}`} />
            </Link>
          </li>
        ))}
      </ul>
    </section>
  )
}

function TypeSchedules({ taskType }: { taskType: string }) {
  const text = useText()
  const list = useQuery(schedulesQuery)
  const own = list.data?.filter((one) => one.taskType === taskType) ?? []
  return (
    <section className="card">
      <h2>{text.schedules.title}</h2>
      {own.length === 0 && <p className="muted">{text.detail.none}</p>}
      <ul>
        {own.map(({ name, cron, nextRunAt }) => (
          <li key={name}>
            <Link to={{ view: 'schedules' }}>
              <Name text={name} />
            </Link>{' '}
            <code>{visible(cron)}</code>{' '}
            <span className="muted small">
              {nextRunAt ? <Ago at={nextRunAt} /> : text.schedules.disabled}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}
