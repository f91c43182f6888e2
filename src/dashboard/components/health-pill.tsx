import { useQuery } from '@tanstack/react-query'
import { useText } from '../i18n/text.ts'
import { countSlots } from '../state/health.ts'
import { executorsQuery, healthQuery } from '../state/queries.ts'
import { useFresh } from '../state/use-fresh.ts'
import { Link } from './link.tsx'

/** The state of health in one word; the overview shows the reasons. */
export function HealthPill() {
  const text = useText()
  const executors = useFresh(useQuery(executorsQuery))
  const health = useFresh(useQuery(healthQuery))
  const alive = executors?.filter((one) => one.alive) ?? []
  const { used, all } = countSlots(alive)
  const level = health?.level ?? 'unknown'
  const [worst, ...others] = health?.reasons ?? []
  const words = worst ? text.overview.short[worst.code] : text.overview.levels[level]
  return (
    <Link to={{}} className={`pill pill-${level}`} title={text.overview.healthTitle}>
      <span className="dot" aria-hidden="true" />
      <span className="pill-words">{words}</span>
      {others.length > 0 && <span className="num">+{others.length}</span>}
      {alive.length > 0 && (
        <span className="num pill-slots" title={text.overview.slots(used, all)}>
          {used}/{all}
        </span>
      )}
    </Link>
  )
}
