import { type RefObject, useEffect, useRef } from 'react'

export interface Hold {
  /** The rows. */
  readonly place: RefObject<HTMLDivElement | null>
  readonly isHeld: () => boolean
}

/**
 * No row moves while the pointer or the focus is on the rows, while the page is scrolled, and while tasks are selected.
 * `onRelease` is called when none of it is the case any more.
 */
export function useHold(isSelecting: boolean, onRelease: () => void): Hold {
  const place = useRef<HTMLDivElement>(null)
  const latest = useRef({ isSelecting, onRelease })
  latest.current = { isSelecting, onRelease }
  const isHeld = useRef((focused: Element | null = document.activeElement) => {
    const rows = place.current
    if (latest.current.isSelecting || scrollY > 0) return true
    return rows !== null && (rows.matches(':hover') || rows.contains(focused))
  })
  useEffect(() => {
    const rows = place.current
    const release = (event: Event) => {
      const focused = event instanceof FocusEvent ? (event.relatedTarget as Element | null) : undefined
      if (!isHeld.current(focused)) latest.current.onRelease()
    }
    rows?.addEventListener('pointerleave', release)
    rows?.addEventListener('focusout', release)
    document.addEventListener('scroll', release, { passive: true })
    return () => {
      rows?.removeEventListener('pointerleave', release)
      rows?.removeEventListener('focusout', release)
      document.removeEventListener('scroll', release)
    }
  }, [])
  useEffect(() => {
    if (!isSelecting && !isHeld.current()) latest.current.onRelease()
  }, [isSelecting])
  return { place, isHeld: isHeld.current }
}
