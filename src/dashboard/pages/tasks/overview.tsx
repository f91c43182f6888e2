import { useState } from 'react'
import type { ExecutorView, TaskStats } from '../../../client/index.ts'
import { Name } from '../../components/foreign.tsx'
import { Sparkline } from '../../components/sparkline.tsx'
import { useText } from '../../i18n/text.ts'
import { formatSeconds } from '../../i18n/time.ts'
import { oldestWait } from '../../state/health.ts'
import { language } from '../../state/preferences.ts'
import { listPaused, useServerState } from '../../state/server-state.tsx'
import { useStore } from '../../state/store.ts'

/** How things stand: the last hour, what waits, and who works. */
export function Overview() {
  const text = useText()
  return (
    <section className="overview" aria-label={text.overview.title}>
      <LastHour />
      <Waiting />
      <Executors />
    </section>
  )
}

function LastHour() {
  const text = useText()
  const minutes = useServerState().stats.data?.finishedPerMinute
  const sum = (pick: 'completed' | 'failed' | 'cancelled') =>
    minutes?.reduce((total, one) => total + one[pick], 0) ?? 0
  return (
    <div className="card tile tile-hour">
      <div className="tile-head">
        <h2>{text.overview.lastHour}</h2>
        {minutes && (
          <span className="tile-sums num">
            <span className="sum-completed">
              {sum('completed').toLocaleString()} {text.status.completed.toLowerCase()}
            </span>
            {(['failed', 'cancelled'] as const).map(
              (status) =>
                sum(status) > 0 && (
                  <span key={status} className={`sum-${status}`}>
                    {sum(status).toLocaleString()} {text.status[status].toLowerCase()}
                  </span>
                ),
            )}
          </span>
        )}
      </div>
      {minutes ? <Sparkline minutes={minutes} /> : <div className="sparkline" />}
    </div>
  )
}

function Waiting() {
  const text = useText()
  const lang = useStore(language)
  const { stats: counted, types } = useServerState()
  const stats = counted.data
  const oldest = oldestWait(stats)
  const paused = listPaused(types.data)
  const sumPending = (types: TaskStats['byType'] = []) => types.reduce((sum, { pending }) => sum + pending, 0)
  const held = sumPending(stats?.byType.filter(({ taskType }) => paused.has(taskType)))
  const orphaned = sumPending(
    stats?.byType.filter(({ taskType, waitingFor }) => waitingFor === 'executor' && !paused.has(taskType)),
  )
  return (
    <div className="card tile">
      <div className="tile-head">
        <h2>{text.overview.waiting}</h2>
      </div>
      <p className="tile-figure num">
        {stats ? (stats.byStatus.pending - held - orphaned).toLocaleString() : '–'}
      </p>
      <p className="muted small num">
        {stats &&
          (oldest === null ? text.overview.nothingWaits : text.overview.oldest(formatSeconds(oldest, lang)))}
      </p>
      {held > 0 && <p className="muted small num">{text.overview.held(held)}</p>}
      {orphaned > 0 && <p className="muted small num">{text.overview.orphaned(orphaned)}</p>}
    </div>
  )
}

function Executors() {
  const text = useText()
  const executors = useServerState().executors.data
  const [isWhole, setWhole] = useState(false)
  const sorted = aliveFirst(executors)
  return (
    <div className="card tile tile-executors">
      <div className="tile-head">
        <h2>{text.overview.executors}</h2>
      </div>
      {executors?.some((one) => one.alive) === false && (
        <p className="problem-words">{text.overview.noExecutor}</p>
      )}
      <ul>
        {(isWhole ? sorted : sorted.slice(0, SHOWN)).map((executor) => (
          <ExecutorLine key={executor.id} executor={executor} />
        ))}
      </ul>
      {sorted.length > SHOWN && (
        <button type="button" className="link small" onClick={() => setWhole(!isWhole)}>
          {isWhole ? text.json.showLess : text.overview.allExecutors(sorted.length)}
        </button>
      )}
    </div>
  )
}

/** Executors shown at once; dead ones stay in the list for a day. */
const SHOWN = 3

function aliveFirst(executors: readonly ExecutorView[] = []): readonly ExecutorView[] {
  const dead = executors.filter(({ alive }) => !alive).sort((a, b) => a.heartbeatAgeMs - b.heartbeatAgeMs)
  return [...executors.filter(({ alive }) => alive), ...dead]
}

function ExecutorLine({ executor }: { executor: ExecutorView }) {
  const text = useText()
  const lang = useStore(language)
  const { id, host, pid, slots, runningTasks, heartbeatAgeMs, alive, stuck } = executor
  // A task may be running still in its row when its slot is free already.
  const used = Math.min(runningTasks.length, slots)
  return (
    <li className={alive ? '' : 'is-dead'} title={id}>
      <Name className="executor-name" text={`${host} · ${pid}`} />
      <span
        className="slots"
        role="img"
        aria-label={text.overview.slots(used, slots)}
        title={text.overview.slots(used, slots)}
      >
        {Array.from({ length: Math.min(slots, 16) }, (_, slot) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: slots have no other name
          <span key={slot} className={slot < used ? 'slot is-used' : 'slot'} />
        ))}
      </span>
      <span className="muted small num">
        {(alive ? text.overview.heartbeat : text.overview.dead)(formatSeconds(heartbeatAgeMs / 1_000, lang))}
      </span>
      {stuck.length > 0 && (
        <span className="badge badge-failed" title={text.overview.stuckHint}>
          {text.overview.stuck(stuck.length)}
        </span>
      )}
    </li>
  )
}
