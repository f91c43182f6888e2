import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { ExecutorRun, ExecutorView } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { Name } from '../../components/foreign.tsx'
import { Link } from '../../components/link.tsx'
import { Empty, Failure, Unread } from '../../components/notice.tsx'
import { Ago, Elapsed } from '../../components/time.tsx'
import { useText } from '../../i18n/text.ts'
import { formatSeconds } from '../../i18n/time.ts'
import { visible } from '../../i18n/visible.ts'
import { aliveFirst } from '../../state/health.ts'
import { useFormerPlace } from '../../state/place.ts'
import { language } from '../../state/preferences.ts'
import { every, executorsQuery } from '../../state/queries.ts'
import { useStore } from '../../state/store.ts'
import { useTitle } from '../../state/use-title.ts'
import { LanesChart } from './lanes-chart.tsx'
import { RunsTable } from './runs-table.tsx'

const POLL_MS = 5_000
/** Each of them is read every few seconds. */
const SHOWN = 10
/** Of a dead executor nothing is kept for longer. */
const KEPT_MS = 15 * 60_000
const SHOWN_TYPES = 8
const SHOWN_RUNNING = 20

/** What each executor runs, and ran lately; `executor` shows one alone. */
export function ExecutorsPage({ params }: { params: URLSearchParams }) {
  const text = useText()
  useTitle(text.overview.executors)
  const executors = useQuery(executorsQuery)
  useFormerPlace(executors.data !== undefined)
  const [isWhole, setWhole] = useState(false)
  const only = params.get('executor')
  const all = aliveFirst(executors.data).filter(({ id }) => only === null || id === only)
  return (
    <>
      <div className="page-head">
        <h1>{text.overview.executors}</h1>
        {only !== null && <Link to={{ view: 'executors' }}>{text.executors.all}</Link>}
      </div>
      <Unread query={executors} lines={4} />
      {executors.data && all.length === 0 && (
        <Empty title={only === null ? text.overview.noExecutor : text.executors.gone} />
      )}
      {(isWhole ? all : all.slice(0, SHOWN)).map((executor) => (
        <ExecutorCard key={executor.id} executor={executor} />
      ))}
      {all.length > SHOWN && !isWhole && (
        <button type="button" className="link" onClick={() => setWhole(true)}>
          {text.overview.allExecutors(all.length)}
        </button>
      )}
    </>
  )
}

function ExecutorCard({ executor }: { executor: ExecutorView }) {
  const { id, alive, heartbeatAgeMs, slots, stuck } = executor
  const text = useText()
  const isKept = alive || heartbeatAgeMs < KEPT_MS
  const read = useQuery({
    queryKey: ['runs', id],
    queryFn: ({ signal }) => client.listExecutorRuns(id, { signal }),
    enabled: isKept,
    refetchInterval: alive && every(POLL_MS),
  })
  const { runs = [], omitted = 0 } = read.data ?? {}
  return (
    <section className={alive ? 'card executor' : 'card executor is-dead'}>
      <ExecutorHead executor={executor} />
      <Stuck taskIds={stuck} />
      <RunningNow runs={runs.filter(({ endedAt }) => endedAt === null)} stuck={stuck} />
      {read.failureReason && !read.data && <Failure error={read.failureReason} />}
      {isKept && <LanesChart runs={runs} slots={slots} />}
      {omitted > 0 && <p className="hint">{text.executors.omitted(omitted)}</p>}
      {runs.length > 0 && <RunsTable runs={runs} />}
    </section>
  )
}

function ExecutorHead({ executor }: { executor: ExecutorView }) {
  const text = useText()
  const lang = useStore(language)
  const { id, host, pid, version, slots, runningTasks, startedAt, heartbeatAgeMs, alive } = executor
  const age = formatSeconds(heartbeatAgeMs / 1_000, lang)
  return (
    <>
      <div className="executor-head">
        <h2>
          <Name className="executor-name" text={`${host} · ${pid}`} />
        </h2>
        <span className={`badge ${alive ? 'badge-completed' : 'badge-failed'}`}>
          <span className="dot" aria-hidden="true" />
          {(alive ? text.overview.heartbeat : text.overview.dead)(age)}
        </span>
        <span className="num">{text.overview.slots(Math.min(runningTasks.length, slots), slots)}</span>
        <span className="muted">{text.executors.version(visible(version))}</span>
        <span className="muted">
          {text.executors.started} <Ago at={startedAt} />
        </span>
        <code className="muted">{visible(id)}</code>
      </div>
      <Types names={executor.taskTypes} />
    </>
  )
}

function Types({ names }: { names: readonly string[] }) {
  const text = useText()
  const [isWhole, setWhole] = useState(false)
  return (
    <ul className="executor-types">
      {(isWhole ? names : names.slice(0, SHOWN_TYPES)).map((name) => (
        <li key={name}>
          <Link to={{ view: 'types', type: name }}>
            <Name text={name} />
          </Link>
        </li>
      ))}
      {names.length > SHOWN_TYPES && (
        <li>
          <button type="button" className="link small" onClick={() => setWhole(!isWhole)}>
            {isWhole ? text.json.showLess : text.overview.allExecutors(names.length)}
          </button>
        </li>
      )}
    </ul>
  )
}

function Stuck({ taskIds }: { taskIds: readonly string[] }) {
  const text = useText()
  if (taskIds.length === 0) return null
  return (
    <div className="executor-stuck">
      <span className="problem-words">{text.overview.stuckHint}:</span>
      {taskIds.map((task) => (
        <Link key={task} to={{ task }}>
          <code>{visible(task)}</code>
        </Link>
      ))}
    </div>
  )
}

function RunningNow({ runs, stuck }: { runs: readonly ExecutorRun[]; stuck: readonly string[] }) {
  const text = useText()
  const [shown, setShown] = useState(SHOWN_RUNNING)
  if (runs.length === 0) return null
  return (
    <ul className="executor-running" aria-label={text.status.running}>
      {runs.slice(0, shown).map(({ taskId, taskType, startedAt }) => (
        <li key={taskId}>
          <Link to={{ task: taskId }}>
            <Name text={taskType} />
          </Link>
          <span className="muted small">
            <Elapsed from={startedAt} to={null} />
          </span>
          {stuck.includes(taskId) && <span className="badge badge-failed">{text.status.stopping}</span>}
        </li>
      ))}
      {runs.length > shown && (
        <li>
          <button type="button" className="link small" onClick={() => setShown(runs.length)}>
            {text.json.more(runs.length - shown)}
          </button>
        </li>
      )}
    </ul>
  )
}
