import { useEffect, useRef, useState } from 'react'
import { session } from './session.ts'

/**
 * What was entered when the session ended. In memory alone: it may hold secrets, and the storage of the browser would
 * outlast the person.
 */
const kept = new Map<string, unknown>()

/** What one person has entered is not shown to another. */
export function dropKept(): void {
  kept.clear()
}

/** State that is there again after the log-in when the session ended meanwhile. */
export function useKept<T>(key: string, start: () => T): [value: T, set: (value: T) => void] {
  const [value, setValue] = useState(() => (kept.has(key) ? (kept.get(key) as T) : start()))
  const latest = useRef(value)
  latest.current = value
  useEffect(() => {
    kept.delete(key)
    return () => {
      if (!session.value) kept.set(key, latest.current)
    }
  }, [key])
  return [value, setValue]
}
