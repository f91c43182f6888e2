import { IS_LISTED } from './list-branches.ts'
import { TASKS } from './tables.ts'

/** Finds tasks by their type along the index of types, and nothing else. */

/**
 * A CTE, `types (task_type)`, for a recursive `with`: hops along the index, a step a type. It ends in a null. Types whose
 * tasks all run are not among them.
 */
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

/** Settings for a transaction that walks the index: few rows as it may expect, the planner is not to sort them all. */
export const WALK = 'set local enable_bitmapscan = off; set local enable_seqscan = off'

/** Tasks `t` of one type in one status, other than `running`, as their index has them: in the order of their creation. */
export const ofType = (type: string, status: string) =>
  `t.task_type = ${type} and t.status = '${status}' and t.${IS_LISTED}`
