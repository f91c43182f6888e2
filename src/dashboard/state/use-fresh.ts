import { connection } from './session.ts'
import { useStore } from './store.ts'

interface Reading<T> {
  readonly data: T | undefined
  readonly failureReason: unknown
}

/** What was read; undefined where it may be old: the server cannot be reached, or has failed to respond since. */
export function useFresh<T>({ data, failureReason }: Reading<T>): T | undefined {
  const isLost = useStore(connection) === 'lost'
  return isLost || failureReason !== null ? undefined : data
}
