/** Finds tasks by their type along the index of types, and nothing else. */

/** A CTE, `types (task_type)`, for a recursive `with`: hops along the index, a step a type. It ends in a null. */
export const TYPES = `types (task_type) as (
     (select task_type from async_tasks order by task_type limit 1)
     union all
     select (select t.task_type from async_tasks t where t.task_type > types.task_type order by t.task_type limit 1)
       from types
      where types.task_type is not null
   )`
