import { AsyncLocalStorage } from 'node:async_hooks'

export const tickBeingParsed = new AsyncLocalStorage<Date>()

/**
 * The tick whose params are being parsed; undefined outside of a schedule. A default such as "today" asks for it, so that
 * a tick that is made up for later still means its own day.
 */
export function currentTick(): Date | undefined {
  return tickBeingParsed.getStore()
}
