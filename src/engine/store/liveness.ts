import { EXECUTORS } from './tables.ts'

/** Its last heartbeat is recent, and not a lease ahead, as one from before the clock was set back. */
export const LIVES = (e: string, leases = '1') => `(${e}.heartbeat_at > now() - ${lease(e)} * ${leases}
             and ${e}.heartbeat_at < now() + ${lease(e)})`

/** A stopped executor's types count as registered for one lease: it may be restarting. */
export const REGISTERS_TYPES = (e: string) => LIVES(e, `case when ${e}.stopped_at is null then 2 else 1 end`)

/** Otherwise the clock has jumped or all processes were suspended, and every heartbeat seems old. */
export const CLOCK_IS_STEADY = (judge: string) => `not exists (
              select from ${EXECUTORS} me
               where me.executor_id = ${judge}::uuid
                 and me.heartbeat_at not between now() - ${lease('me')} / 2 and now())`

function lease(e: string): string {
  return `${e}.lease_ms * interval '1 millisecond'`
}
