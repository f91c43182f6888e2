import { type Database, execute, statement } from '../../db/database.ts'
import { reportCte } from './changes.ts'
import { countCancelled } from './figures.ts'
import type { CancelledRun } from './operate.ts'
import { CANCEL_REQUESTS, LOGS, TASKS } from './tables.ts'

/**
 * The end of tasks that were not started in time. No claim starts a task from its expiry on, see `claim.ts`; what is done
 * here only shows it, and frees the unique key. So it may come late, and passes over locked rows.
 */

/** Expired tasks that one statement ends at most. */
export const EXPIRE_BATCH = 1_000

/** The error of a task that expired. */
const REASON = 'expired'

const UTC = `'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'`

/** Of an infinite instant, which others may insert, `to_char` makes null. */
const EXPIRY = `coalesce(to_char(expires_at at time zone 'UTC', ${UTC}), expires_at::text)`

// By the clock of the statement: in a transaction of the caller's now() may be long ago.
const HAS_EXPIRED = `status = 'pending' and expires_at <= statement_timestamp()`

/** Some task has expired and is still pending. */
export const EXPIRED_EXIST = `exists (select from ${TASKS} where ${HAS_EXPIRED})`

const expire = (which: string) => `with expired as (
     update ${TASKS} t
        set status = 'cancelled', cancelled_at = statement_timestamp(), error_message = '${REASON}'
      where t.id = any(array(
              select id from ${TASKS}
               where ${HAS_EXPIRED} and ${which}
                 for no key update skip locked))
        and ${HAS_EXPIRED}
     returning t.task_id, t.task_type, t.attempt, t.unique_key, t.expires_at
   ), logged as (
     insert into ${LOGS} (task_id, level, message)
     select task_id, 'WARNING', 'expired: not started before ' || ${EXPIRY}
       from expired
   ), carried_out as (
     delete from ${CANCEL_REQUESTS} where task_id = any(array(select task_id from expired))
   ), ${reportCte('expired')}`

const EXPIRE = statement(
  'expire',
  `${expire(`true order by expires_at limit ${EXPIRE_BATCH}`)}
   select task_id as "taskId", task_type as "taskType", attempt from expired`,
)

/** Cancels tasks that have expired, at most `EXPIRE_BATCH`. */
export function expireTasks(db: Database): Promise<CancelledRun[]> {
  return execute(db, EXPIRE, [])
}

/** $1: unique keys, as the text of an array. Returns `ExpiredHolder`s. */
export const EXPIRE_HOLDERS = statement(
  'expire_holders',
  `${expire('unique_key = any($1::text::text[])')}, ${countCancelled('expired')}
   select unique_key as key, task_id as "taskId", task_type as "taskType", attempt from expired`,
)

export interface ExpiredHolder extends CancelledRun {
  readonly key: string
}
