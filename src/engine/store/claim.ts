import { type Database, execute, type Statement, statement } from '../../db/database.ts'
import { isLimited, type TypeLimits } from '../definition/limits.ts'
import { HANDLER_IS_LEFT } from './fence.ts'
import { compareIds } from './rows.ts'
import { PARAMS, TASKS, TYPES } from './tables.ts'

/**
 * The claim: one statement, made for the types that an executor runs.
 *
 * Each type is a branch that walks its own part of `idx_async_tasks_due`; the branches are merged in the order
 * priority, run_at, id, and rows are locked one by one as they come out, until the limit is reached. So the backlog of
 * types that nobody here runs, that are paused or at their limit costs nothing, and no row is locked but for the
 * claim. What makes PostgreSQL do it that way, at any size and with any statistics:
 * - the ids are picked in an `array(…)`, which runs once: joined to the update, the plan of a `limit $n` expects a tenth
 *   of the backlog and scans the history;
 * - a lock node forgets the order of its rows, so it stands below a lateral join, which keeps that of the outer side;
 * - rows are locked by their `ctid`: a look-up by id may choose the partial index of the pending rows and walk it;
 * - every limit is a sub-select, of which a plan for given values knows no more than a generic one: a branch that is
 *   known to give many rows would be sorted.
 *
 * A type with a limit over all processes takes part only while the claim holds the lock of the type's row, and only when
 * no claim has taken tasks of it since this statement's snapshot, which the number in that row tells: the newest one,
 * which comes with the lock, must be the one that the snapshot shows. Then what the snapshot counts is the truth, and
 * the limit is never exceeded. Whoever finds the row locked or changed leaves the type out: nobody waits.
 *
 * Planning grows with the branches: an executor of many types claims from those alone that have due tasks, see
 * `claim-many.ts`.
 */

export interface ClaimedTask {
  /** The row's number, as text: settlements look rows up by it. */
  readonly id: string
  readonly taskId: string
  readonly taskType: string
  readonly attempt: number
  readonly retryCount: number
  readonly maxRetries: number
  readonly timeoutSeconds: number
  readonly createdBy: string | null
  /** Key to JSON text; null when the task has no params. */
  readonly params: Readonly<Record<string, string>> | null
}

export interface ClaimRequest {
  /** Tasks at most. */
  readonly limit: number
  /** Of each type, at most so many; null: any number. */
  readonly places: readonly (number | null)[]
  /** Of each type, only tasks due since then, an instant of the database's; null: all. */
  readonly since: readonly (string | null)[]
  /** Types with a limit over all processes that had no permit lately. */
  readonly closed?: readonly string[]
}

export interface ClaimAnswer {
  readonly tasks: ClaimedTask[]
  /** The database's time of the claim, in milliseconds. */
  readonly at: number
  /** Types with a limit over all processes that have due tasks, as of before the claim. */
  readonly waiting: readonly string[]
  /** It asked for fewer tasks than it might have: another claim may take more. */
  readonly isPartial?: boolean
}

export interface LimitedClaimAnswer extends ClaimAnswer {
  /** Types that another claim has taken, or has just taken tasks of: worth another try at once. */
  readonly busy: readonly string[]
  /** Types whose due tasks it has seen. Default: those that were given. */
  readonly asked?: readonly string[]
}

/** Due tasks looked at for keys of which none runs, before the keys are hopped over. */
const KEY_WINDOW = 200

/** The last number of an attempt: it can be claimed, and is not run. */
export const LAST_ATTEMPT = 2_147_483_647

export const NEXT_ATTEMPT = `least(t.attempt, ${LAST_ATTEMPT - 1}) + 1`

export const ORDER = 'order by priority desc, run_at, id'

/** What a type's branch reads: $3 types, $5 since when. */
const due = (i: number) => `status = 'pending' and task_type = ($3::text[])[${i}] and run_at <= now()
                and run_at >= coalesce(($5::timestamptz[])[${i}], '-infinity')
                and not exists (select from ${TYPES} p
                                 where p.task_type = ($3::text[])[${i}] and p.paused_at is not null)`

/** The row at `place`, locked, where it still waits and nobody else has locked it. */
export const LOCKED = (place: string) => `
           cross join lateral (select c.id from ${TASKS} c
                                where c.ctid = ${place} and c.status = 'pending' for update skip locked) locked`

/** A type with no limit: its rows are locked when they come out of the merge. */
const freeBranch = (i: number) => `(select ctid as place, id, priority, run_at from ${TASKS}
              where ${due(i)}
              ${ORDER} limit (select ($4::int[])[${i}]))`

// Locked here: among the first ones, those that another claim holds must not count.
const processBranch = (i: number) => `(select place, due.id, priority, run_at
               from (select ctid as place, id, priority, run_at from ${TASKS} where ${due(i)} ${ORDER}) due${LOCKED('due.place')}
              ${ORDER.replace('id', 'due.id')} limit (select ($4::int[])[${i}]))`

const counting = (i: number) => `r.task_type = ($3::text[])[${i}] and r.concurrency_key is not null
                  and (r.status = 'running' or r.stopping) and (r.status = 'running' or ${HANDLER_IS_LEFT('r')})`

const placesLeft = (i: number) => `(select case when ($3::text[])[${i}] in (select task_type from held)
                then greatest(0, least(($4::int[])[${i}], ($7::int[])[${i}] - (
                       select count(*) from ${TASKS} r where ${counting(i)}))) else 0 end)`

const busyKeys = (i: number) => `array(select r.concurrency_key from ${TASKS} r where ${counting(i)})`

const globalBranch = (i: number) => `(select ctid as place, id, priority, run_at from ${TASKS}
              where ${due(i)}
              ${ORDER} limit ${placesLeft(i)})`

/** The first of each key that does not run. A task that was created without a key shares one with its like. */
const keyedBranch = (i: number) => `(select place, id, priority, run_at
               from (select distinct on (key) place, id, priority, run_at
                       from (select ctid as place, id, priority, run_at, coalesce(concurrency_key, '') as key
                               from ${TASKS} where ${due(i)} ${ORDER} limit ${KEY_WINDOW}) due
                      where key <> all (${busyKeys(i)})
                      order by key, priority desc, run_at, id) firsts
              ${ORDER} limit ${placesLeft(i)})`

/** The same without a window: one look a key, however many tasks wait behind it. */
const hoppingBranch = (i: number) => {
  const next = (after: string) => `(select concurrency_key from ${TASKS}
                        where status = 'pending' and task_type = ($3::text[])[${i}] and concurrency_key <> '' ${after}
                        order by concurrency_key limit 1)`
  return `(with recursive keys as (
                select ${next('')} as key
                union all
                select ${next('and concurrency_key > keys.key')} from keys where keys.key is not null)
              select place, id, priority, run_at
                from keys
               cross join lateral (select ctid as place, id, priority, run_at from ${TASKS}
                        where ${due(i)} and concurrency_key = keys.key and concurrency_key <> ''
                        ${ORDER} limit 1) first
               where keys.key is not null and keys.key <> all (${busyKeys(i)})
               ${ORDER} limit ${placesLeft(i)})`
}

function branch(limits: TypeLimits, i: number): string {
  if (limits.keyed) return keyedBranch(i)
  if (limits.globalConcurrency !== null) return globalBranch(i)
  return limits.concurrency === null ? freeBranch(i) : processBranch(i)
}

/** $8 names the types that are asked for. */
const HELD = `held as materialized (
     select locked.task_type
       from (select task_type, claims from ${TYPES}
              where task_type = any($8::text[])
              order by task_type
                for update skip locked) locked
       join ${TYPES} seen on seen.task_type = locked.task_type and seen.claims = locked.claims
   ), `

const COUNTED = `, counted as (
     update ${TYPES} set claims = claims + 1
      where task_type in (select "taskType" from claimed) and task_type = any($6::text[])
   )`

/** What a claim answers of each row `t`. */
export const CLAIMED = `t.id, t.task_id as "taskId", t.task_type as "taskType", t.attempt,
               t.retry_count as "retryCount", t.max_retries as "maxRetries",
               t.timeout_seconds as "timeoutSeconds", t.created_by as "createdBy",
               t.priority, extract(epoch from t.run_at)::float8 as "dueAt",
               (select json_object_agg(p.key, p.value)
                  from ${PARAMS} p
                 where p.task_id = t.task_id) as params`

/** Which types with a limit over all processes a claim's executor has, and whether this claim may take any. */
type Limited = 'none' | 'told' | 'taken'

/** $1 executor, $2 limit, $3 types, $4 places, $5 since, $6 types with a limit over all processes, $7 those limits. */
function claimText(branches: readonly string[], limited: Limited): string {
  const merged = branches.join('\n             union all ')
  const key = `,
            concurrency_key = case when t.task_type = any($6::text[]) then coalesce(t.concurrency_key, '')
                                   else t.concurrency_key end`
  return `with ${limited === 'taken' ? HELD : ''}claimed as (
     update ${TASKS} t
        set status = 'running', attempt = ${NEXT_ATTEMPT}, started_at = now(), executor_id = $1${limited === 'taken' ? key : ''}
      where t.id = any(array(
              select locked.id
                from (select * from (${merged}) branches
                       ${ORDER}) due${LOCKED('due.place')}
               limit (select $2::int)))
     returning ${CLAIMED}
   )${limited === 'taken' ? COUNTED : ''}
   select claim.*, claimed.*
     from (select extract(epoch from now())::float8 * 1000 as at, ${limited === 'none' ? 'null' : WAITING} as waiting,
                  ${limited === 'taken' ? 'array(select task_type from held)' : 'null'} as held) claim
     left join claimed on true`
}

// A limit, so that this is looked up type by type and not joined; the order of the claim's index, so that it is used.
const WAITING = `array(select u.task_type from unnest($6::text[]) as u (task_type)
                     where (select true from ${TASKS}
                             where status = 'pending' and task_type = u.task_type and run_at <= now() ${ORDER} limit 1)
                       and not exists (select from ${TYPES} p
                                        where p.task_type = u.task_type and p.paused_at is not null))`

export interface ClaimedRow extends ClaimedTask {
  readonly priority: number
  readonly dueAt: number
}

interface ClaimRow extends ClaimedRow {
  readonly at: number
  readonly waiting: string[] | null
  readonly held: string[] | null
}

/** Of an executor that runs no such type. */
const NOTHING = `(select ctid as place, id, priority, run_at from ${TASKS}
              where $3::text[] is null and $4::int[] is null and $5::timestamptz[] is null)`

/** Where only the key counts. */
const NO_LIMIT = 1_000_000_000

/** So often at most the rows of types are made again where one cannot be locked. */
const KNOW_TYPES_INTERVAL_MS = 1_000

const KNOW_TYPES = statement(
  'know_types',
  `insert into ${TYPES} (task_type) select unnest($1::text[]) on conflict do nothing`,
)

/** Types of which more is due than the window shows: only of those keys may be missing. */
const CROWDED = statement(
  'crowded_types',
  `select u.task_type as "taskType" from unnest($1::text[]) as u (task_type)
    where (select true from ${TASKS}
            where status = 'pending' and task_type = u.task_type and run_at <= now()
            ${ORDER} offset ${KEY_WINDOW} limit 1)`,
)

const WAITS_SINCE_BEFORE = statement(
  'waits_since_before',
  `select exists (
     select from unnest($1::text[], $2::timestamptz[]) as u (task_type, instant)
      where (select true from ${TASKS}
              where status = 'pending' and task_type = u.task_type and run_at < u.instant ${ORDER} limit 1)
        and not exists (select from ${TYPES} p
                         where p.task_type = u.task_type and p.paused_at is not null)) as waits`,
)

/** Whether a task waits that a claim of the latest ones leaves out. Reads alone, and locks nothing. */
export async function waitsSinceBefore(
  db: Database,
  since: readonly { taskType: string; since: string }[],
): Promise<boolean> {
  const values = [since.map((type) => type.taskType), since.map((type) => type.since)]
  const [row] = await execute<{ waits: boolean }>(db, WAITS_SINCE_BEFORE, values)
  return row?.waits ?? false
}

export interface TypeClaims {
  readonly types: readonly TypeLimits[]
  /** Takes due tasks of types without a limit over all processes: higher priority first, then the oldest due. */
  claim(request: ClaimRequest): Promise<ClaimAnswer>
  /** The same, together with these types that have such a limit. */
  claimLimited(request: ClaimRequest, open: ReadonlySet<string>): Promise<LimitedClaimAnswer>
}

/** Fills up lists of types: no task has it. */
export const NO_TYPE = ''

/** The claims of one executor, for the types that it runs. */
export class Claims implements TypeClaims {
  readonly types: readonly TypeLimits[]
  readonly #db: Database
  readonly #executorId: string
  readonly #names: readonly string[]
  readonly #globals: readonly number[]
  readonly #limited: readonly string[]
  #plain: Statement | undefined
  #full: Statement | undefined
  #hopping: Statement | undefined
  #typesKnownAt = Number.NEGATIVE_INFINITY

  constructor(db: Database, executorId: string, types: readonly TypeLimits[]) {
    this.#db = db
    this.#executorId = executorId
    this.types = types
    this.#names = types.map(({ taskType }) => taskType)
    this.#globals = types.map(({ globalConcurrency }) => globalConcurrency ?? NO_LIMIT)
    const limited = types.filter(isLimited)
    this.#limited = limited.map(({ taskType }) => taskType)
  }

  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    this.#plain ??= this.#statement('claim', this.#limited.length > 0 ? 'told' : 'none', (type, i) =>
      isLimited(type) ? [] : branch(type, i),
    )
    return readAnswer(await execute<ClaimRow>(this.#db, this.#plain, this.#values(request)))
  }

  async claimLimited(request: ClaimRequest, open: ReadonlySet<string>): Promise<LimitedClaimAnswer> {
    if (this.#typesKnownAt === Number.NEGATIVE_INFINITY) await this.#makeTypesKnown()
    this.#full ??= this.#statement('claim_limited', 'taken', branch)
    const answer = await this.#takeLimited(this.#full, request, open)
    // A row that cannot be locked is held by another claim, or is gone.
    const mayBeGone =
      answer.busy.length > 0 && performance.now() - this.#typesKnownAt > KNOW_TYPES_INTERVAL_MS
    if (mayBeGone) this.#typesKnownAt = Number.NEGATIVE_INFINITY
    try {
      return { ...answer, tasks: [...answer.tasks, ...(await this.#takeOfOtherKeys(request, open, answer))] }
    } catch (error) {
      // What has been taken must run; what is left waits for the next claim, which hears of an outage by itself.
      if (answer.tasks.length > 0) return answer
      throw error
    }
  }

  async #makeTypesKnown(): Promise<void> {
    await execute(this.#db, KNOW_TYPES, [this.#limited.filter((taskType) => taskType !== NO_TYPE)])
    this.#typesKnownAt = performance.now()
  }

  /** Where a type has more due tasks than its window shows, and places left, those of keys beyond the window. */
  async #takeOfOtherKeys(
    request: ClaimRequest,
    open: ReadonlySet<string>,
    answer: ClaimAnswer,
  ): Promise<readonly ClaimedTask[]> {
    const left = request.limit - answer.tasks.length
    const keys = this.types.filter(({ keyed, taskType }) => keyed && answer.waiting.includes(taskType))
    if (left === 0 || keys.length === 0) return []
    const rows = await execute<{ taskType: string }>(this.#db, CROWDED, [
      keys.map(({ taskType }) => taskType),
    ])
    const crowded = new Set(rows.map(({ taskType }) => taskType).filter((taskType) => open.has(taskType)))
    if (crowded.size === 0) return []
    const places = this.types.map(({ taskType }, i) => {
      const before = request.places[i] ?? null
      return before === null
        ? null
        : before - answer.tasks.filter((task) => task.taskType === taskType).length
    })
    this.#hopping ??= this.#statement('claim_keys', 'taken', (type, i) =>
      type.keyed ? hoppingBranch(i) : [],
    )
    return (await this.#takeLimited(this.#hopping, { ...request, limit: left, places }, crowded)).tasks
  }

  #statement(
    name: string,
    limited: Limited,
    branchOf: (type: TypeLimits, i: number) => string | string[],
  ): Statement {
    const branches = this.types.flatMap((type, i) => branchOf(type, i + 1))
    return statement(name, claimText(branches.length > 0 ? branches : [NOTHING], limited))
  }

  async #takeLimited(
    statement: Statement,
    request: ClaimRequest,
    open: ReadonlySet<string>,
  ): Promise<LimitedClaimAnswer> {
    const values = [...this.#values(request), this.#globals, [...open]]
    const rows = await execute<ClaimRow>(this.#db, statement, values)
    const held = rows[0]?.held ?? []
    return { ...readAnswer(rows), busy: [...open].filter((taskType) => !held.includes(taskType)) }
  }

  #values({ limit, places, since }: ClaimRequest): unknown[] {
    const values = [this.#executorId, limit, this.#names, places, since]
    return this.#limited.length > 0 ? [...values, this.#limited] : values
  }
}

function readAnswer(rows: ClaimRow[]): ClaimAnswer {
  const [{ at, waiting } = { at: 0, waiting: null }] = rows
  return { tasks: claimedOf(rows), at, waiting: waiting ?? [] }
}

/** In their order: an update returns its rows in none. Without any there is one row, of the claim alone. */
export function claimedOf<T extends ClaimedRow>(rows: readonly T[]): T[] {
  return rows
    .filter(({ id }) => id !== null)
    .sort((a, b) => b.priority - a.priority || a.dueAt - b.dueAt || compareIds(a.id, b.id))
}
