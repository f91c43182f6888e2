import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { ExecutorView } from '../../../client/index.ts'
import { Name } from '../../components/foreign.tsx'
import { Link } from '../../components/link.tsx'
import { useText } from '../../i18n/text.ts'
import { formatSeconds } from '../../i18n/time.ts'
import { aliveFirst } from '../../state/health.ts'
import { language } from '../../state/preferences.ts'
import { executorsQuery } from '../../state/queries.ts'
import { useStore } from '../../state/store.ts'

export function Executors() {
  const text = useText()
  const executors = useQuery(executorsQuery).data
  const [isWhole, setWhole] = useState(false)
  const sorted = aliveFirst(executors)
  return (
    <div className="card tile tile-executors">
      <div className="tile-head">
        <h2>
          <Link to={{ view: 'executors' }}>{text.overview.executors}</Link>
        </h2>
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

function ExecutorLine({ executor }: { executor: ExecutorView }) {
  const text = useText()
  const lang = useStore(language)
  const { id, host, pid, slots, runningTasks, heartbeatAgeMs, alive, stuck } = executor
  // A task may be running still in its row when its slot is free already.
  const used = Math.min(runningTasks.length, slots)
  return (
    <li className={alive ? '' : 'is-dead'} title={id}>
      <Link to={{ view: 'executors', executor: id }}>
        <Name className="executor-name" text={`${host} · ${pid}`} />
      </Link>
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
        <Link
          className="badge badge-failed"
          title={text.overview.stuckHint}
          to={stuck.length === 1 ? { task: stuck[0] } : { view: 'executors', executor: id }}
        >
          {text.overview.stuck(stuck.length)}
        </Link>
      )}
    </li>
  )
}
