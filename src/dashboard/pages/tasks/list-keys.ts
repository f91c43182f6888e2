import { type RefObject, useEffect } from 'react'
import { flushSync } from 'react-dom'
import { isForPage } from '../../components/shortcuts.tsx'
import { useReadOnly } from '../../state/server-state.tsx'
import type { Selection } from './selection.ts'

/** Of the bar that is there while tasks are selected. */
const ACTIONS = ['c', 'r', 'd']

/** `j` and `k` move the focus from task to task, `x` selects, and an action selects the focused task if none is. */
export function useListKeys(body: RefObject<HTMLTableSectionElement | null>, selection: Selection): void {
  const { toggle, isAll, ids } = selection
  const isSelecting = isAll || ids.size > 0
  const isReadOnly = useReadOnly()
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!isForPage(event)) return
      const links = [...(body.current?.querySelectorAll<HTMLAnchorElement>('.task-link') ?? [])]
      const row = (event.target as Element).closest?.<HTMLElement>('tr[data-task]')
      const index = links.findIndex((link) => row?.contains(link))
      if (event.key === 'j' || event.key === 'k') {
        links[Math.max(0, index + (event.key === 'j' ? 1 : -1))]?.focus()
        return
      }
      const taskId = row?.dataset.task
      if (isReadOnly || taskId === undefined) return
      if (event.key === 'x') toggle(taskId)
      // The bar has to be there when the page looks for its button.
      else if (ACTIONS.includes(event.key) && !isSelecting) flushSync(() => toggle(taskId))
    }
    document.addEventListener('keydown', onKey, { capture: true })
    return () => document.removeEventListener('keydown', onKey, { capture: true })
  }, [body, toggle, isSelecting, isReadOnly])
}
