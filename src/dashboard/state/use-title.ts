import { useEffect } from 'react'
import { TITLE } from '../settings.ts'
import { hasMoved } from './route.ts'

/** The tab's title. A page that one goes to also gets the focus, so that the keyboard goes on where the eye is. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = TITLE === '' ? title : `${title} · ${TITLE}`
  }, [title])
  useEffect(() => {
    const focused = document.activeElement
    if (hasMoved() && (focused === document.body || focused?.closest('header.top'))) {
      document.getElementById('content')?.focus({ preventScroll: true })
    }
  }, [])
}
