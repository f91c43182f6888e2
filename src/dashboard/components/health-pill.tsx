import { useText } from '../i18n/text.ts'
import { countSlots, healthOf } from '../state/health.ts'
import { useServerState } from '../state/server-state.tsx'
import { connection } from '../state/session.ts'
import { useStore } from '../state/store.ts'

/** In one word how it stands; why, in its title. */
export function HealthPill() {
  const text = useText()
  const { executors: known, stats } = useServerState()
  const executors = useStore(connection) === 'lost' ? undefined : known.data
  const health = healthOf(executors, stats.data)
  const alive = executors?.filter((one) => one.alive) ?? []
  const { used, all } = countSlots(alive)
  return (
    <span className={`pill pill-${health}`} title={text.overview.healthReasons[health]}>
      <span className="dot" aria-hidden="true" />
      <span className="pill-words">{text.overview.health[health]}</span>
      {alive.length > 0 && (
        <span className="num pill-slots" title={text.overview.slots(used, all)}>
          {used}/{all}
        </span>
      )}
    </span>
  )
}
