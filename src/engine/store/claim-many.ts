import { type Database, execute, statement } from '../../db/database.ts'
import { isLimited, type TypeLimits } from '../definition/limits.ts'
import {
  type ClaimAnswer,
  type ClaimRequest,
  Claims,
  type LimitedClaimAnswer,
  NO_TYPE,
  ORDER,
  type TypeClaims,
} from './claim.ts'
import { EXECUTORS, TASKS, TYPES } from './tables.ts'

/** An executor with more types than this asks first which of them have due tasks. */
export const MANY_TYPES = 16

/** Types that one claim is made for at most. */
const MOST_DUE = 64

/** Where a plan is made for each claim, and few tasks are asked for, fewer types: planning takes longer than claiming. */
const FEW_DUE = 16
const FEW_TASKS = 100

/** Branches of a claim, of each kind of type: few texts, so that each is prepared once. */
const SIZES = [2, 8, FEW_DUE, MOST_DUE]

const firsts = (membership: 'in' | 'not in') => `(select own.task_type
                  from own
                 cross join lateral (select priority, run_at, id from ${TASKS}
                                      where status = 'pending' and task_type = own.task_type and run_at <= now()
                                      ${ORDER} limit 1) first
                 where own.task_type ${membership} (select unnest($3::text[]))
                 ${ORDER} limit ${MOST_DUE + 1})`

// Pending types are hopped along their index, whoever runs them. The executor's own are in its row: thousands of names
// are not sent with every poll. $2: types that it cannot take any task of now; $3: those with a limit over all
// processes, found apart, so that those without a permit hold no other type back.
const DUE_TYPES = statement(
  'due_types',
  `with recursive pending (task_type) as (
     (select task_type from ${TASKS} where status = 'pending' order by task_type limit 1)
     union all
     select (select task_type from ${TASKS}
              where status = 'pending' and task_type > pending.task_type order by task_type limit 1)
       from pending where task_type is not null
   ), own as materialized (
     select task_type from pending
      where task_type in (select unnest(task_types) from ${EXECUTORS} where executor_id = $1)
        and task_type not in (select unnest($2::text[]))
        and not exists (select from ${TYPES} p where p.task_type = pending.task_type and p.paused_at is not null)
   )
   select extract(epoch from now())::float8 * 1000 as at, due.task_type as "taskType"
     from (select 1) one
     left join (${firsts('not in')} union all ${firsts('in')}) due on true`,
)

/** By their first due task, in the order of claims. */
interface DueTypes {
  readonly plain: readonly TypeLimits[]
  /** Those with a limit over all processes. */
  readonly limited: readonly TypeLimits[]
  /** So many of each kind, and there are more; undefined: these are all. */
  readonly most: number | undefined
  /** The database's time, in milliseconds. */
  readonly at: number
}

/**
 * Claims for executors of very many types: one branch a type would take seconds to plan, and gigabytes. The types with
 * due tasks are found first, those whose first task comes first, and a claim is made for them alone.
 */
export class ManyTypeClaims implements TypeClaims {
  readonly types: readonly TypeLimits[]
  readonly #db: Database
  readonly #executorId: string
  readonly #positions: ReadonlyMap<string, number>
  readonly #limited: readonly string[]

  constructor(db: Database, executorId: string, types: readonly TypeLimits[]) {
    this.#db = db
    this.#executorId = executorId
    this.types = types
    this.#positions = new Map(types.map(({ taskType }, i) => [taskType, i]))
    this.#limited = types.filter(isLimited).map(({ taskType }) => taskType)
  }

  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    return this.#claimPlain(request, await this.#findDue(request))
  }

  async claimLimited(request: ClaimRequest, open: ReadonlySet<string>): Promise<LimitedClaimAnswer> {
    const due = await this.#findDue(request)
    const names = new Set(due.limited.map(({ taskType }) => taskType))
    // Those that are not due are done with; where more types are due than were found, they may be among the others.
    const others = [...open].filter((taskType) => !names.has(taskType))
    const [left, over] = due.most === undefined ? [[], others] : [others, []]
    if (names.size === 0) return { ...(await this.#claimPlain(request, due)), busy: left, asked: over }
    const types = inFewShapes([...due.plain, ...due.limited])
    const claims = new Claims(this.#db, this.#executorId, types)
    const answer = await claims.claimLimited(this.#narrow(request, due, types), names)
    const asked = [...names, ...over]
    return { ...answer, asked, busy: [...answer.busy, ...left], isPartial: due.most !== undefined }
  }

  async #claimPlain(request: ClaimRequest, due: DueTypes): Promise<ClaimAnswer> {
    const waiting = due.limited.map(({ taskType }) => taskType)
    if (due.plain.length === 0) return { tasks: [], at: due.at, waiting }
    const types = inFewShapes(due.plain)
    const claims = new Claims(this.#db, this.#executorId, types)
    const answer = await claims.claim(this.#narrow(request, due, types))
    return { ...answer, waiting, isPartial: due.most !== undefined }
  }

  async #findDue({ limit, places, closed = [] }: ClaimRequest): Promise<DueTypes> {
    const full = this.types.filter((_type, i) => places[i] === 0).map(({ taskType }) => taskType)
    const rows = await execute<{ taskType: string | null; at: number }>(this.#db, DUE_TYPES, [
      this.#executorId,
      [...full, ...closed],
      this.#limited,
    ])
    const due = rows.flatMap(
      ({ taskType }) => this.types[this.#positions.get(taskType ?? NO_TYPE) ?? -1] ?? [],
    )
    const most = this.#db.prepared || limit > FEW_TASKS ? MOST_DUE : FEW_DUE
    const plain = due.filter((type) => !isLimited(type))
    const limited = due.filter(isLimited)
    const isPartial = plain.length > most || limited.length > FEW_DUE
    return {
      plain: plain.slice(0, most),
      limited: limited.slice(0, FEW_DUE),
      most: isPartial ? (limited.length > FEW_DUE ? FEW_DUE : most) : undefined,
      at: rows[0]?.at ?? 0,
    }
  }

  /** Of as many types as were found, only as many tasks are sure to come before those of all other types. */
  #narrow(request: ClaimRequest, { most }: DueTypes, types: readonly TypeLimits[]): ClaimRequest {
    const places = types.map(({ taskType }) => request.places[this.#positions.get(taskType) ?? -1] ?? null)
    return { limit: Math.min(request.limit, most ?? request.limit), places, since: types.map(() => null) }
  }
}

/** In an order of kinds, each filled up with types of no task. */
function inFewShapes(types: readonly TypeLimits[]): TypeLimits[] {
  const kinds = Map.groupBy(types, (type) => kindOf(type))
  return [...kinds].toSorted(([a], [b]) => a.localeCompare(b)).flatMap(([, alike]) => filledUp(alike))
}

function kindOf(type: TypeLimits): string {
  if (type.keyed) return 'keyed'
  if (isLimited(type)) return 'limited'
  return type.concurrency === null ? 'free' : 'process'
}

function filledUp(alike: readonly TypeLimits[]): TypeLimits[] {
  const size = SIZES.find((one) => one >= alike.length) ?? alike.length
  const [like] = alike
  return like ? Array.from({ length: size }, (_, i) => alike[i] ?? { ...like, taskType: NO_TYPE }) : []
}
