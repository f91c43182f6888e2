import type { Backlog } from '../../../client/index.ts'
import { Link } from '../../components/link.tsx'
import { formatNumber } from '../../i18n/number.ts'
import { useText } from '../../i18n/text.ts'

const KINDS = ['due', 'later', 'retrying', 'paused', 'unserved'] as const

/** What waits of a type, and for what. */
export function TypeBacklog({ taskType, backlog }: { taskType: string; backlog: Backlog | undefined }) {
  const text = useText()
  const shown = backlog ? KINDS.filter((kind) => backlog[kind] > 0) : []
  if (!backlog || shown.length === 0) return <span className="muted">{text.detail.none}</span>
  return (
    <Link className="type-counts" to={{ type: taskType, status: 'pending' }}>
      {shown.map((kind) => (
        <span key={kind} className={kind === 'due' || kind === 'unserved' ? 'count is-due' : 'count'}>
          {text.types.waits[kind](formatNumber(backlog[kind]))}
        </span>
      ))}
    </Link>
  )
}
