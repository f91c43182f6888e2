import { useEffect } from 'react'

/** The tab's title. A new page also gets the focus, so that the keyboard goes on where the eye is. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title
  }, [title])
  useEffect(() => {
    if (document.activeElement === document.body || document.activeElement?.closest('header.top')) {
      document.getElementById('content')?.focus({ preventScroll: true })
    }
  }, [])
}
