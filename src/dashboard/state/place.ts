import { useLayoutEffect } from 'react'

/** Where somebody was on a page: kept with its entry in the history. */
interface Place {
  readonly scrollY: number
  /** The row that had the focus. */
  readonly taskId: string | undefined
}

// The browser would scroll before there is anything to scroll through.
history.scrollRestoration = 'manual'
window.addEventListener('pagehide', keepPlace)

/** Before another entry is made. */
export function keepPlace(): void {
  const row = document.activeElement?.closest<HTMLElement>('tr[data-task]')
  const place: Place = { scrollY, taskId: row?.dataset.task }
  history.replaceState({ ...(history.state as object | null), place }, '')
}

export function hasPlace(): boolean {
  return (history.state as { place?: Place } | null)?.place !== undefined
}

/** Goes back to the place of this entry, once what was there is there again. */
export function useFormerPlace(isReady: boolean): void {
  useLayoutEffect(() => {
    const { place } = (history.state as { place?: Place } | null) ?? {}
    if (!isReady || !place) return
    const { place: _done, ...rest } = history.state as { place?: Place }
    history.replaceState(rest, '')
    const row =
      place.taskId && document.querySelector(`tr[data-task="${CSS.escape(place.taskId)}"] .task-link`)
    scrollTo(0, place.scrollY)
    if (!(row instanceof HTMLElement)) return
    row.focus({ preventScroll: true })
    // Rows may have joined above it.
    row.scrollIntoView({ block: 'nearest' })
  }, [isReady])
}
