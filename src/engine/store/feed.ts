import { MAX_SHOWN_STEPS, type TaskLogLine, type TaskStep, type TaskSummary } from '../../contract/task.ts'
import { arrayLiteral, type Database, execute, statement } from '../../db/database.ts'
import { parseInstant } from '../../db/reading.ts'
import type { LogRow } from './rows.ts'
import { type SummaryRow, toLogLine, toStep, toSummary } from './rows.ts'
import type { Snapshot } from './settled-ids.ts'
import { CHANGES, LOGS, STEPS, TASKS } from './tables.ts'

const MAX_RUNNING = 2_000
/** A full page is followed by another poll at once. */
export const MAX_NEW = 1_000
/** The first poll reads the tasks of the newest so many ids. */
const MAX_FIRST = 500
/** Beyond that, viewers are disconnected. */
const MAX_CHANGED = 5_000
/** Ids become visible at their commits, so a smaller one may appear later: polls look back this long. */
export const STEP_LOOK_BACK_MS = 2_000
/** Half of those that a detail shows: the detail must contain all steps that the first poll reports as new. */
const MAX_RECENT_STEPS = MAX_SHOWN_STEPS / 2

const SUMMARY = `json_build_object(
            'taskId', t.task_id, 'taskType', t.task_type, 'status', t.status, 'progress', t.progress,
            'total', t.total, 'step', t.step, 'createdAt', t.created_at, 'startedAt', t.started_at,
            'completedAt', t.completed_at, 'cancelledAt', t.cancelled_at, 'runAt', t.run_at, 'retryCount', t.retry_count,
            'maxRetries', t.max_retries, 'error', t.error_message, 'attempt', t.attempt, 'createdBy', t.created_by,
            'changedAt', t.changed_at)::text`

// `nextXid` is computed from the age of the oldest transaction, which uses up no transaction id. It is read after the
// statement's snapshot, so every transaction that had written by then has a smaller id. See `settled-ids.ts`.
const FEED = statement(
  'feed',
  `with changed as materialized (
     select distinct named.task_id,
            case when c.created_by is not null then coalesce(to_json(named.created_by)::text, 'null') end as creator
       from ${CHANGES} c
      cross join lateral unnest(c.task_ids, c.created_by) as named (task_id, created_by)
      where $4 and c.xid >= pg_snapshot_xmin($8::pg_snapshot) and not pg_visible_in_snapshot(c.xid, $8::pg_snapshot)
      limit ${MAX_CHANGED} + 1
   )
   select 'snapshot' as kind, null as "taskId", null::float8 as id,
          json_build_object(
            'text', s::text,
            'oldestXid', pg_snapshot_xmin(s)::text::float8,
            'nextXid', pg_snapshot_xmin(s)::text::float8 + age(pg_snapshot_xmin(s)::xid),
            'logIsWritten', case when age(pg_snapshot_xmin(s)::xid) = 0 then false else exists (
              select from pg_locks l
               where l.relation = '${LOGS}'::regclass and l.mode = 'RowExclusiveLock'
                 and l.database = (select oid from pg_database where datname = current_database())) end
          )::text as body
     from pg_current_snapshot() s
   union all
   select 'row', t.task_id, t.id, ${SUMMARY} from ${TASKS} t where t.task_id = any($1::text[])
   union all
   select 'line', watched.task_id, line.id, line.body
     from unnest($1::text[], $2::bigint[]) as watched (task_id, after_id)
    cross join lateral (
      select l.id, json_build_object('id', l.id, 'level', l.level, 'message', l.message,
               'createdAt', l.created_at, 'attempt', l.attempt, 'data', l.data)::text as body
        from ${LOGS} l
       where l.task_id = watched.task_id and l.id > watched.after_id
       order by l.id
       limit $3) line
   union all
   select 'lastLine', watched.task_id,
          (select max(l.id) from ${LOGS} l where l.task_id = watched.task_id), null
     from unnest($1::text[], $2::bigint[]) as watched (task_id, after_id)
    where watched.after_id is null
   union all
   select 'step', watched.task_id, step.id, step.body
     from unnest($1::text[], $10::bigint[]) as watched (task_id, after_id)
    cross join lateral (
      select s.id, json_build_object('name', s.name, 'attempt', s.attempt, 'startedAt', s.started_at,
               'endedAt', s.ended_at)::text as body
        from ${STEPS} s
       where s.task_id = watched.task_id and s.id > watched.after_id
       order by s.id) step
   union all
   select 'lastStep', watched.task_id,
          (select coalesce(
                    max(s.id) filter (where s.ended_at < clock_timestamp() - interval '${STEP_LOOK_BACK_MS} milliseconds'),
                    case when count(*) = ${MAX_RECENT_STEPS} then min(s.id) end)
             from (select id, ended_at from ${STEPS}
                    where task_id = watched.task_id order by id desc limit ${MAX_RECENT_STEPS}) s), null
     from unnest($1::text[], $10::bigint[]) as watched (task_id, after_id)
    where watched.after_id is null
   union all
   (select 'task', t.task_id, t.id, ${SUMMARY}
      from ${TASKS} t where $4 and t.status = 'running' limit ${MAX_RUNNING})
   union all
   -- All of them: executors run no more than they have slots.
   select 'task', t.task_id, t.id, ${SUMMARY}
     from ${TASKS} t where $4 and t.status = 'running' and t.created_by = any($9::text[])
   union all
   select 'task', t.task_id, t.id, ${SUMMARY} from ${TASKS} t where $4 and t.task_id = any($5::text[])
   union all
   select 'changed', task_id, null, creator from changed
   union all
   select 'task', t.task_id, t.id, ${SUMMARY}
     from ${TASKS} t where $4 and t.task_id = any(array(select task_id from changed))
   union all
   select 'task', t.task_id, t.id, ${SUMMARY} from ${TASKS} t where $4 and t.id = any($7::bigint[])
   union all
   (select 'new', t.task_id, t.id, ${SUMMARY}
      from ${TASKS} t
     where $4 and t.id > coalesce($6::bigint, (select max(id) from ${TASKS}) - ${MAX_FIRST})
     order by t.id
     limit ${MAX_NEW})
   union all
   select 'readFrom', null, greatest(0, (select max(id) from ${TASKS}) - ${MAX_FIRST}), null where $4`,
)

export interface WatchedPosition {
  readonly taskId: string
  /** The id up to which lines are known; null: the end of the log is not known yet. */
  readonly afterLine: number | null
  /** The id up to which steps are known; null: it has not been read yet. */
  readonly afterStep: number | null
}

export interface AllTasksPosition {
  readonly unfinished: readonly string[]
  /** The row id up to which tasks were read; null: read the newest. */
  readonly afterTask: number | null
  /** Row ids below `afterTask` whose rows may still become visible. */
  readonly openGaps: readonly number[]
  /** Reports visible in it are known; null: read none. */
  readonly snapshot: string | null
  /** Whose running tasks are all read. */
  readonly creators: readonly string[]
}

export interface SeenTask {
  readonly id: number
  readonly body: string
}

export interface SeenStep {
  readonly id: number
  readonly step: TaskStep
}

export interface FeedResult {
  readonly snapshot: Snapshot
  /** Tasks watched one by one, by id. */
  readonly rows: ReadonlyMap<string, SeenTask>
  readonly lines: ReadonlyMap<string, readonly TaskLogLine[]>
  /** The highest line id of a log, where it was not known. */
  readonly lastLines: ReadonlyMap<string, number>
  readonly steps: ReadonlyMap<string, readonly SeenStep[]>
  /** The highest id of a task's steps below which none can appear any more, where it was not known; 0: of none. */
  readonly lastSteps: ReadonlyMap<string, number>
  readonly all: AllTasksResult | undefined
}

export interface AllTasksResult {
  readonly snapshot: string
  readonly tasks: ReadonlyMap<string, SeenTask>
  readonly newIds: readonly number[]
  /** The row id after which a first poll reads. */
  readonly readFrom: number
  /** As asked for. */
  readonly creators: readonly string[]
  /** Tasks named in reports, with the creator if a report is of a deletion. Those not among `tasks` are gone. */
  readonly reported: ReadonlyMap<string, string | null | undefined>
  /** False: more reports were due than are read at once. */
  readonly hasAllReports: boolean
}

interface FeedRow {
  readonly kind:
    | ('snapshot' | 'row' | 'line' | 'lastLine' | 'step' | 'lastStep')
    | ('task' | 'new' | 'readFrom' | 'changed')
  readonly taskId: string
  readonly id: number | null
  readonly body: string
}

export async function readFeed(
  db: Database,
  watched: readonly WatchedPosition[],
  maxLines: number,
  all: AllTasksPosition | undefined,
): Promise<FeedResult> {
  const found = await execute<FeedRow>(db, FEED, [
    watched.map(({ taskId }) => taskId),
    watched.map(({ afterLine }) => afterLine),
    maxLines,
    all !== undefined,
    all?.unfinished ?? [],
    all?.afterTask ?? null,
    all?.openGaps ?? [],
    all?.snapshot ?? null,
    arrayLiteral(all?.creators ?? []),
    watched.map(({ afterStep }) => afterStep),
  ])
  const of = (kind: FeedRow['kind']) => found.filter((row) => row.kind === kind)
  const seen = ({ taskId, id, body }: FeedRow): [string, SeenTask] => [taskId, { id: id ?? 0, body }]
  const { text, ...snapshot }: Snapshot & { text: string } = JSON.parse(of('snapshot')[0]?.body ?? '')
  return {
    snapshot,
    rows: new Map(of('row').map(seen)),
    lines: grouped(of('line'), ({ body }) => parseLine(body)),
    lastLines: new Map(of('lastLine').map(({ taskId, id }) => [taskId, id ?? 0])),
    steps: grouped(of('step'), ({ id, body }) => ({ id: id ?? 0, step: toStep(JSON.parse(body)) })),
    lastSteps: new Map(of('lastStep').map(({ taskId, id }) => [taskId, id ?? 0])),
    all: all && {
      snapshot: text,
      tasks: new Map([...of('task'), ...of('new')].map(seen)),
      newIds: of('new').map(({ id }) => id ?? 0),
      readFrom: of('readFrom')[0]?.id ?? 0,
      creators: all.creators,
      reported: toCreators(of('changed')),
      hasAllReports: of('changed').length <= MAX_CHANGED,
    },
  }
}

/** A task may be in several reports. */
function toCreators(rows: readonly { taskId: string; body: string | null }[]) {
  const creators = new Map<string, string | null | undefined>()
  for (const { taskId, body } of rows) {
    if (body !== null) creators.set(taskId, JSON.parse(body))
    else if (!creators.has(taskId)) creators.set(taskId, undefined)
  }
  return creators
}

function grouped<T>(rows: readonly FeedRow[], read: (row: FeedRow) => T): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const row of rows) {
    const before = groups.get(row.taskId)
    if (before) before.push(read(row))
    else groups.set(row.taskId, [read(row)])
  }
  return groups
}

type AsText<T> = { [K in keyof T]: T[K] extends Date | null ? string | Extract<T[K], null> : T[K] }

export interface SeenSummary extends TaskSummary {
  readonly attempt: number
  readonly createdBy: string | null
  /** Differs where params or the priority do, which a summary does not show. */
  readonly changedAt: string | null
}

export function parseSeen({ body }: SeenTask): SeenSummary {
  const row: AsText<SummaryRow & Pick<SeenSummary, 'attempt' | 'createdBy' | 'changedAt'>> = JSON.parse(body)
  const toDate = (text: string | null) => (text === null ? null : parseInstant(text))
  return {
    ...toSummary({
      ...row,
      createdAt: parseInstant(row.createdAt),
      startedAt: toDate(row.startedAt),
      completedAt: toDate(row.completedAt),
      cancelledAt: toDate(row.cancelledAt),
      runAt: parseInstant(row.runAt),
    }),
    attempt: row.attempt,
    createdBy: row.createdBy,
    changedAt: row.changedAt,
  }
}

function parseLine(body: string): TaskLogLine {
  const row: AsText<LogRow> = JSON.parse(body)
  return toLogLine({ ...row, createdAt: parseInstant(row.createdAt) })
}
