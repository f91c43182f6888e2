import { IS_LISTED } from './list-branches.ts'
import { TASKS } from './tables.ts'

/** CTE of a loose index scan; ends with a null. Types whose tasks all run are not among them. */
export const TYPES = `types (task_type) as (
     (select task_type from ${TASKS} where status <> 'running' and ${IS_LISTED} order by task_type limit 1)
     union all
     select (select t.task_type
               from ${TASKS} t
              where t.status <> 'running' and ${IS_LISTED} and t.task_type > types.task_type
              order by t.task_type
              limit 1)
       from types
      where types.task_type is not null
   )`

/** CTE of a loose index scan for the types with pending tasks; ends with a null. */
export const PENDING_TYPES = `pending (task_type) as (
     (select task_type from ${TASKS} where status = 'pending' order by task_type limit 1)
     union all
     select (select task_type from ${TASKS}
              where status = 'pending' and task_type > pending.task_type order by task_type limit 1)
       from pending where task_type is not null
   )`

/** Transaction settings for index walks: the planner must not sort all rows because it expects few. */
export const WALK = 'set local enable_bitmapscan = off; set local enable_seqscan = off'

/** Tasks `t` of a type and status other than `running`, in index order: by creation. */
export const ofType = (type: string, status: string) =>
  `t.task_type = ${type} and t.status = '${status}' and t.${IS_LISTED}`
