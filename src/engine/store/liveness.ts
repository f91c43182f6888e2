import { EXECUTORS } from './tables.ts'

/** Which executors live, by the database's clock: every statement that asks it, asks it here. */

/**
 * The heartbeat of executor `e` is no older than so many of its leases. Nor does it lie a lease ahead: that was written
 * before the clock was set back, and an executor that lives would have written it again.
 */
export const LIVES = (e: string, leases = '1') => `(${e}.heartbeat_at > now() - ${lease(e)} * ${leases}
             and ${e}.heartbeat_at < now() + ${lease(e)})`

/** Its types count as registered: one that stopped cleanly may start again within a lease. */
export const REGISTERS_TYPES = (e: string) => LIVES(e, `case when ${e}.stopped_at is null then 2 else 1 end`)

/**
 * The heartbeat of the executor that judges others was written a moment ago by the same clock. When the clock has jumped
 * since, or all processes have been suspended, the heartbeat of every other one looks as old as this one.
 */
export const CLOCK_IS_STEADY = (judge: string) => `not exists (
              select from ${EXECUTORS} me
               where me.executor_id = ${judge}::uuid
                 and me.heartbeat_at not between now() - ${lease('me')} / 2 and now())`

function lease(e: string): string {
  return `${e}.lease_ms * interval '1 millisecond'`
}
