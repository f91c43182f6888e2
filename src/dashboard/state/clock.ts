import { useSyncExternalStore } from 'react'
import { Store } from './store.ts'

const now = new Store(Date.now())
let viewers = 0
let timer: ReturnType<typeof setInterval> | undefined
let skewMs = 0

/** One timer for every duration on the page; none while none is shown. */
function watch(listener: () => void): () => void {
  const stop = now.subscribe(listener)
  viewers += 1
  timer ??= setInterval(() => now.set(serverNow()), 1_000)
  return () => {
    stop()
    viewers -= 1
    if (viewers > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

/** Milliseconds since the epoch by the server's clock, new every second. */
export function useNow(): number {
  return useSyncExternalStore(watch, read)
}

/** Without a timer, what was kept is of when somebody looked last, or of before the server's clock was known. */
function read(): number {
  if (timer === undefined && Math.abs(serverNow() - now.value) >= 1_000) now.set(serverNow())
  return now.value
}

export function serverNow(): number {
  return Date.now() - skewMs
}

/** From a response's `Date` header, which has whole seconds: a smaller difference is meaningless. */
export function noteServerTime(header: string | null): void {
  const then = Date.parse(header ?? '')
  if (Number.isNaN(then)) return
  const difference = Date.now() - then
  skewMs = Math.abs(difference) > 2_000 ? difference : 0
}
