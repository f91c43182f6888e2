import { arrayLiteral, plainArray, type Statement, statement } from '../../db/database.ts'
import { secondsBetween } from '../../db/reading.ts'
import { IS_WATCHED, reportCte } from './changes.ts'
import { NOT_EXPIRED } from './claim-branches.ts'
import { NO_PROGRESS } from './fence.ts'
import { column, type NewTask } from './insert.ts'
import { CHANNEL } from './notify.ts'
import { DETAIL_COLUMNS, type DetailRow, parseDetailRow } from './rows.ts'
import { PARAMS, STEPS, TASKS } from './tables.ts'

/**
 * Pending tasks take over what a new task with their unique key brings. Two statements in one transaction: the first
 * waits for the rows, the second has a snapshot of its own and therefore sees the params that it removes. A claim of
 * such a row comes before, and the row is no longer pending, or skips it: see `claim-branches.ts`.
 */

// In the order of keys, as creates lock them. A row that was claimed or ended meanwhile is checked again and left out. One
// that has expired is not replaced, but waited for: once its lock is gone it can be ended.
const LOCK = statement(
  'lock_replaced',
  `select t.unique_key as key, t.task_type as "taskType", t.task_id as "taskId", t.created_by as "createdBy",
          ${NOT_EXPIRED} as "isOpen"
     from ${TASKS} t
    where t.unique_key = any(${column(1, 'text')}) and t.status = 'pending'
    order by t.unique_key collate "C"
      for no key update`,
)

// A task that is due keeps its place, unless the new due time is in the future. `max_delay_ms` counts from the creation.
// Retries and steps start anew: the new params have not been tried.
const RUN_AT = `case when given.due_at <= statement_timestamp() then least(t.run_at, given.due_at)
                    else least(given.due_at, t.created_at + given.max_delay_ms * interval '1 millisecond') end`

// A task that was started and does not expire has been started in time.
const EXPIRES_AT = 'case when t.attempt > 0 and t.expires_at is null then null else given.expires_at end'

const REPLACE = statement(
  'replace',
  `with given as materialized (
     select *, coalesce(run_at, statement_timestamp() + delay_ms * interval '1 millisecond') as due_at
       from unnest(${column(1, 'text')}, ${column(2, 'smallint')}, ${column(3, 'timestamptz')}, ${column(4, 'float8')},
                   ${column(5, 'float8')}, ${column(6, 'int')}, ${column(7, 'int')}, ${column(8, 'text')},
                   ${column(9, 'timestamptz')}, ${column(10, 'text')}, ${column(11, 'text')})
         as given (task_id, priority, run_at, delay_ms, max_delay_ms, max_retries, timeout_seconds, concurrency_key,
                   expires_at, trace_context, rate_key)
   ), params as materialized (
     select task_id, key, value
       from unnest(${column(12, 'text')}, ${column(13, 'text')}, ${column(14, 'text')}) as given (task_id, key, value)
   ), changed as (
     update ${TASKS} t
        set changed_at = statement_timestamp(), priority = given.priority, run_at = ${RUN_AT},
            max_retries = given.max_retries, timeout_seconds = given.timeout_seconds, retry_count = 0, ${NO_PROGRESS},
            error_message = null, concurrency_key = given.concurrency_key, expires_at = ${EXPIRES_AT},
            trace_context = given.trace_context, rate_key = given.rate_key
       from given
      where t.task_id = given.task_id and t.status = 'pending'
     returning t.*
   ), forgotten as (
     delete from ${STEPS} where task_id in (select task_id from changed)
   ), removed as (
     delete from ${PARAMS} p
      where p.task_id in (select task_id from changed)
        and not exists (select from params n where n.task_id = p.task_id and n.key = p.key)
   ), written as (
     insert into ${PARAMS} (task_id, key, value)
     select n.task_id, n.key, n.value from params n join changed on changed.task_id = n.task_id
     on conflict (task_id, key) do update set value = excluded.value
   ), ${reportCte('changed', IS_WATCHED)}
   select row_to_json(holder)::text as holder,
          ${secondsBetween('statement_timestamp()', 't.run_at')} * 1000 as "inMs",
          case when $15::text is not null then (select pg_notify('${CHANNEL}', $15::text))::text end as notified
     from changed t cross join lateral (select ${DETAIL_COLUMNS}) as holder`,
)

const NO_STEPS = { steps: null, stepCount: 0 }

type Replaceable = Pick<NewTask, 'taskType' | 'createdBy'>

/** Of one type, and not of two creators: each of them may see the params of its own tasks. */
export function mayReplace(task: Replaceable, holder: Replaceable): boolean {
  if (task.taskType !== holder.taskType) return false
  return task.createdBy === null || holder.createdBy === null || task.createdBy === holder.createdBy
}

export interface ReplacedRow {
  readonly row: DetailRow
  /** Until it is due; negative: since when it has been. */
  readonly inMs: number
}

type Run = (sent: Statement, values: unknown[]) => Promise<unknown[]>

/**
 * Of several tasks with one key the last counts. Returns the tasks that have taken them over, by key: not those that have
 * another type or creator, run, or have ended.
 */
export async function replaceHolders(
  run: Run,
  tasks: readonly NewTask[],
  payload: string | null,
): Promise<Map<string, ReplacedRow>> {
  const keys = [...new Set(tasks.flatMap(({ uniqueKey }) => uniqueKey ?? []))]
  const locked = (await run(LOCK, [arrayLiteral(keys)])) as {
    key: string
    taskType: string
    taskId: string
    createdBy: string | null
    isOpen: boolean
  }[]
  const pairs = locked.flatMap(({ key, taskId, isOpen, ...holder }) => {
    if (!isOpen) return []
    const task = tasks.findLast((one) => one.uniqueKey === key && mayReplace(one, holder))
    return task ? [{ task, taskId }] : []
  })
  if (pairs.length === 0) return new Map()
  const rows = (await run(REPLACE, [...replaceValues(pairs), payload])) as { holder: string; inMs: number }[]
  const params = new Map(pairs.map(({ task, taskId }) => [taskId, Object.fromEntries(task.params)]))
  return new Map(
    rows.map(({ holder, inMs }) => {
      const row = parseDetailRow(holder)
      return [
        row.uniqueKey ?? '',
        { row: { ...row, ...NO_STEPS, params: params.get(row.taskId) ?? null }, inMs },
      ]
    }),
  )
}

function replaceValues(pairs: readonly { readonly task: NewTask; readonly taskId: string }[]): string[] {
  const tasks = pairs.map(({ task }) => task)
  const params = pairs.flatMap(({ task, taskId }) =>
    [...task.params].map(([key, value]) => ({ taskId, key, value })),
  )
  return [
    arrayLiteral(pairs.map(({ taskId }) => taskId)),
    plainArray(tasks.map((task) => task.priority)),
    arrayLiteral(tasks.map((task) => task.runAt?.toISOString() ?? null)),
    plainArray(tasks.map((task) => task.delayMs)),
    arrayLiteral(tasks.map((task) => task.maxDelayMs?.toString() ?? null)),
    plainArray(tasks.map((task) => task.maxRetries)),
    plainArray(tasks.map((task) => task.timeoutSeconds)),
    arrayLiteral(tasks.map((task) => task.concurrencyKey)),
    arrayLiteral(tasks.map((task) => task.expiresAt?.toISOString() ?? null)),
    arrayLiteral(tasks.map(({ traceContext = null }) => traceContext)),
    arrayLiteral(tasks.map((task) => task.rateKey)),
    arrayLiteral(params.map((param) => param.taskId)),
    arrayLiteral(params.map((param) => param.key)),
    arrayLiteral(params.map((param) => param.value)),
  ]
}
