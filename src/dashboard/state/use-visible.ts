import { useSyncExternalStore } from 'react'

function subscribe(listener: () => void): () => void {
  document.addEventListener('visibilitychange', listener)
  return () => document.removeEventListener('visibilitychange', listener)
}

/** A hidden tab reads nothing. */
export function useVisible(): boolean {
  return useSyncExternalStore(subscribe, () => !document.hidden)
}
