import type { ExecutorView } from '../../client/index.ts'
import { useText } from '../i18n/text.ts'
import { useServerState } from '../state/server-state.tsx'
import { connection } from '../state/session.ts'
import { useStore } from '../state/store.ts'

/** Heartbeats come every five seconds where nobody has said otherwise; one that is missed may be on its way. */
const LATE_MS = 12_000

export type Health = 'ok' | 'stuck' | 'late' | 'down' | 'unknown'

/** Whether tasks run at all. */
export function healthOf(executors: readonly ExecutorView[] | undefined): Health {
  if (!executors) return 'unknown'
  const alive = executors.filter((one) => one.alive)
  if (alive.length === 0) return 'down'
  if (alive.some(({ stuck }) => stuck.length > 0)) return 'stuck'
  return alive.some(({ heartbeatAgeMs }) => heartbeatAgeMs > LATE_MS) ? 'late' : 'ok'
}

export function HealthPill() {
  const text = useText()
  const known = useServerState().executors.data
  const executors = useStore(connection) === 'lost' ? undefined : known
  const health = healthOf(executors)
  const alive = executors?.filter((one) => one.alive) ?? []
  const used = alive.reduce((sum, one) => sum + Math.min(one.runningTasks.length, one.slots), 0)
  const slots = alive.reduce((sum, one) => sum + one.slots, 0)
  return (
    <span className={`pill pill-${health}`} title={health === 'down' ? text.overview.noExecutor : ''}>
      <span className="dot" aria-hidden="true" />
      <span className="pill-words">{text.overview.health[health]}</span>
      {alive.length > 0 && (
        <span className="num pill-slots" title={text.overview.slots(used, slots)}>
          {used}/{slots}
        </span>
      )}
    </span>
  )
}
