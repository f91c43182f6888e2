import { type Database, execute, statement } from '../../db/database.ts'
import type { TypeFollowUp } from '../definition/follow-up.ts'
import { WAITS_BRIEFLY } from './fence.ts'
import { PARAMS, TASKS, TYPES } from './tables.ts'

/**
 * Follow-ups: tasks that are created by the statement that fails a task for good. Any process may send it, so executors
 * store the follow-ups of their types in the table of types before they claim.
 */

/** A follow-up that was created. */
export interface FollowUp {
  readonly taskId: string
  readonly taskType: string
}

const COLUMNS = ['on_failed', 'on_failed_priority', 'on_failed_max_retries', 'on_failed_timeout_seconds']
const columnsOf = (from: string) => COLUMNS.map((column) => `${from}.${column}`).join(', ')

// Writes, and locks, rows that change alone: usually none. In order, so that no two executors wait for each other.
const REGISTER = statement(
  'register_follow_ups',
  `with given as (
     select * from unnest($1::text[], $2::text[], $3::smallint[], $4::int[], $5::int[])
       as given (task_type, ${COLUMNS.join(', ')})
   )
   insert into ${TYPES} as t (task_type, ${COLUMNS.join(', ')})
   select given.task_type, ${columnsOf('given')}
     from given
     left join ${TYPES} present on present.task_type = given.task_type
    where (${columnsOf('given')}) is distinct from (${columnsOf('present')}) and ${WAITS_BRIEFLY}
    order by given.task_type
   on conflict (task_type) do update set (${COLUMNS.join(', ')}) = (${columnsOf('excluded')})`,
)

/** From when it resolves, every final failure of a task of these types creates these follow-ups. */
export async function registerFollowUps(db: Database, types: readonly TypeFollowUp[]): Promise<void> {
  await execute(db, REGISTER, [
    types.map(({ taskType }) => taskType),
    types.map(({ onFailed }) => onFailed?.taskType ?? null),
    types.map(({ onFailed }) => onFailed?.priority ?? null),
    types.map(({ onFailed }) => onFailed?.maxRetries ?? null),
    types.map(({ onFailed }) => onFailed?.timeoutSeconds ?? null),
  ])
}

/** As `uuidv7` makes it: ids are in the order of their time. */
const NEW_TASK_ID = `'task_' || lpad(to_hex(floor(extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')
              || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14)`

const json = (value: string) => `to_json(${value})::text`

/**
 * CTEs that create the follow-ups of failed tasks: rows of the CTE `from`, with task_id, task_type, attempt, created_by
 * and error_message. Params of any size are copied as their stored JSON text, secrets included.
 */
export const createFollowUps = (from: string, condition = 'true') => `followed as materialized (
     select failed.*, ${columnsOf('q')}, ${NEW_TASK_ID} as follow_up_id
       from ${from} failed
       join ${TYPES} q on q.task_type = failed.task_type
      where q.on_failed is not null and ${condition}
   ), follow_ups as (
     insert into ${TASKS} (task_id, task_type, priority, max_retries, timeout_seconds, created_by)
     select follow_up_id, on_failed, on_failed_priority, on_failed_max_retries, on_failed_timeout_seconds, created_by
       from followed
   ), follow_up_params as (
     insert into ${PARAMS} (task_id, key, value)
     select follow_up_id, given.key, given.value
       from followed
      cross join lateral (values
              ('taskId', ${json('followed.task_id')}),
              ('taskType', ${json('followed.task_type')}),
              ('params', (select coalesce('{' || string_agg(${json('p.key')} || ':' || p.value, ',' order by p.id) || '}', '{}')
                            from ${PARAMS} p where p.task_id = followed.task_id)),
              ('error', ${json('followed.error_message')}),
              ('attempts', ${json('followed.attempt')})) as given (key, value)
   )`

/** Columns of the row of `followed` that a left join has found, or not. */
export const FOLLOW_UP = `followed.follow_up_id as "followUpId", followed.on_failed as "followUpType"`

export interface FollowUpColumns {
  readonly followUpId: string | null
  readonly followUpType: string | null
}

/** A row with these columns, with the follow-up that they name instead. */
export function withFollowUp<T>({ followUpId, followUpType, ...row }: T & FollowUpColumns) {
  const followUp =
    followUpId === null || followUpType === null ? undefined : { taskId: followUpId, taskType: followUpType }
  return { ...row, ...(followUp && { followUp }) }
}
