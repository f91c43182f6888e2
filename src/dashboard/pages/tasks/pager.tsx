import type { TaskList } from '../../../client/index.ts'
import { Icon } from '../../components/icon.tsx'
import { formatNumber } from '../../i18n/number.ts'
import { useText } from '../../i18n/text.ts'
import type { TaskFilter } from '../../requests.ts'
import { go } from '../../state/route.ts'
import { toQuery } from './filter.ts'
import { Searched } from './searched.tsx'

/** Older pages go on from the last row (keyset); the way back is kept in the browser's history. */
export function Pager({
  page,
  isBefore,
  filter,
  cursor,
}: {
  page: TaskList
  /** It is that of another filter or place: no way leads on from it. */
  isBefore: boolean
  filter: TaskFilter
  cursor: string | undefined
}) {
  const text = useText()
  const trail = (history.state as { trail?: string[] } | null)?.trail ?? []
  const total = `${formatNumber(page.total)}${page.totalIsEstimate ? '+' : ''}`
  const goOlder = () =>
    isBefore ||
    go(toQuery(filter, page.nextCursor ?? undefined), { state: { trail: [...trail, cursor ?? ''] } })
  const goNewer = () =>
    go(toQuery(filter, trail.at(-1) || undefined), { state: { trail: trail.slice(0, -1) } })
  return (
    <nav className="pager" aria-label={text.list.paging}>
      <span className="muted num">
        {page.searched ? (
          <>
            {text.find.found(page.total, page.searched.tasks)} · <Searched searched={page.searched} />
          </>
        ) : (
          text.list.shown(page.tasks.length, total)
        )}
      </span>
      <span className="spacer" />
      {cursor !== undefined && (
        <button type="button" onClick={() => go(toQuery(filter))}>
          {text.list.newest}
        </button>
      )}
      <button type="button" disabled={trail.length === 0} aria-keyshortcuts="h" onClick={goNewer}>
        <Icon name="left" />
        {page.searched ? text.find.previous : text.list.newer}
      </button>
      <button type="button" disabled={page.nextCursor === null} aria-keyshortcuts="l" onClick={goOlder}>
        {page.searched ? text.find.next : text.list.older}
        <Icon name="right" />
      </button>
    </nav>
  )
}
