import { useQuery } from '@tanstack/react-query'
import type { HealthReason } from '../../../client/index.ts'
import { shortId } from '../../components/executor-name.tsx'
import { Icon } from '../../components/icon.tsx'
import { Link } from '../../components/link.tsx'
import { useText } from '../../i18n/text.ts'
import { translate } from '../../i18n/translate.ts'
import { visible } from '../../i18n/visible.ts'
import { healthQuery } from '../../state/queries.ts'
import type { Query } from '../../state/route.ts'
import { useFresh } from '../../state/use-fresh.ts'

/** Whether it is healthy and, if not, why, with a way to each evidence. */
export function HealthReasons() {
  const text = useText()
  const health = useFresh(useQuery(healthQuery))
  const level = health?.level ?? 'unknown'
  const reasons = health?.reasons ?? []
  return (
    <section className={`card health health-${level}`} aria-label={text.overview.healthTitle}>
      <p className="health-level">
        {level === 'green' || level === 'unknown' ? (
          <span className="dot" aria-hidden="true" />
        ) : (
          <Icon name="warning" />
        )}
        {text.overview.levels[level]}
      </p>
      {reasons.length === 0 ? (
        <p className="muted">{text.overview.levelHints[level === 'green' ? 'green' : 'unknown']}</p>
      ) : (
        <ul>
          {reasons.map((reason) => (
            <Reason key={reason.code} reason={reason} />
          ))}
        </ul>
      )}
    </section>
  )
}

function Reason({ reason }: { reason: HealthReason }) {
  const text = useText()
  const { code, level } = reason
  const words = visible(translate(code, reason.text, text))
  return (
    <li className={`reason-${level}`}>
      <span>{words}</span>
      {evidenceOf(reason).map(({ name, to }) => (
        <Link key={name} to={to} className="foreign">
          {visible(name === '' ? text.overview.show : name)}
        </Link>
      ))}
    </li>
  )
}

const SHOWN = 3

function evidenceOf({ code, evidence }: HealthReason): { name: string; to: Query }[] {
  const { taskIds = [], taskTypes = [], executorIds = [], schedules = [] } = evidence
  if (code === 'SLOTS_FULL') return [{ name: '', to: { status: 'running' } }]
  return [
    ...taskIds.slice(0, SHOWN).map((name) => ({ name, to: { task: name } })),
    // Ends of an earlier version are without a type.
    ...taskTypes.slice(0, SHOWN).map((name) => ({
      name,
      to: code === 'TASKS_FAIL' ? { view: 'errors', type: name } : { status: 'pending', type: name },
    })),
    ...executorIds.slice(0, SHOWN).map((id) => ({
      name: shortId(id),
      to: { view: 'executors', executor: id },
    })),
    ...schedules.slice(0, SHOWN).map((name) => ({ name, to: { view: 'schedules' } })),
  ]
}
