import type { SearchedTasks } from '../../../client/index.ts'
import { Instant } from '../../components/time.tsx'
import { useText } from '../../i18n/text.ts'

/** How far a search went. */
export function Searched({ searched: { oldest, isComplete } }: { searched: SearchedTasks }) {
  const text = useText()
  if (isComplete) return <span>{text.find.whole}</span>
  if (oldest === null) return null
  const [before, after] = text.find.backTo('\u0000').split('\u0000')
  return (
    <span>
      {before}
      <Instant at={oldest} />
      {after}
    </span>
  )
}

export function Searching({ tasks, onStop }: { tasks: number; onStop: () => void }) {
  const text = useText()
  return (
    <div className="searching" role="status">
      <span className="pulse" aria-hidden="true" />
      {text.find.searching(tasks)}
      <button type="button" className="small" onClick={onStop}>
        {text.find.stop}
      </button>
    </div>
  )
}
