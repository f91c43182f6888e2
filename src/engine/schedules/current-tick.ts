import { AsyncLocalStorage } from 'node:async_hooks'

export const tickBeingParsed = new AsyncLocalStorage<Date>()

/**
 * The tick of a schedule whose params are being parsed; undefined otherwise. Use it in defaults such as "today", so that a
 * tick that fires late still means its own day.
 */
export function currentTick(): Date | undefined {
  return tickBeingParsed.getStore()
}
