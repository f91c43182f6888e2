import { useSyncExternalStore } from 'react'

function subscribe(listener: () => void): () => void {
  document.addEventListener('visibilitychange', listener)
  return () => document.removeEventListener('visibilitychange', listener)
}

/** Nobody looks at a hidden tab: it reads nothing. */
export function useVisible(): boolean {
  return useSyncExternalStore(subscribe, () => !document.hidden)
}
