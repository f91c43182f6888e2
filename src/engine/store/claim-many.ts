import { type Database, execute, statement } from '../../db/database.ts'
import { isGloballyLimited, type TypeLimits } from '../definition/limits.ts'
import {
  type ClaimRequest,
  type ClaimResult,
  Claims,
  type LimitedClaimResult,
  NO_TYPE,
  type TypeClaims,
} from './claim.ts'
import { NOT_EXPIRED, ORDER } from './claim-branches.ts'
import { nextDueOf } from './claim-text.ts'
import { LimitedTypesMemory } from './limited-types-memory.ts'
import { EXECUTORS, TASKS, TYPES } from './tables.ts'
import { PENDING_TYPES } from './types-present.ts'

/** An executor with more types than this first queries which of them have due tasks. */
export const MANY_TYPES = 16

const MOST_DUE = 64

/** Fewer types where each small claim is planned anew: planning takes longer than claiming. */
const FEW_DUE = 16
const FEW_TASKS = 100

/** Branches per kind of type: with few sizes there are few texts to prepare. */
const SIZES = [2, 8, FEW_DUE, MOST_DUE]

const firsts = (membership: 'in' | 'not in') => `(select own.task_type
                  from own
                 cross join lateral (select priority, run_at, id from ${TASKS}
                                      where status = 'pending' and task_type = own.task_type and run_at <= now()
                                        and ${NOT_EXPIRED}
                                      ${ORDER} limit 1) first
                 where own.task_type ${membership} (select unnest($3::text[]))
                 ${ORDER} limit ${MOST_DUE + 1})`

const IS_DELAYED = `status = 'pending' and run_at > created_at`

// Loose index scans find all pending types, and those with delayed tasks: the latter in the order of their small index,
// so that no other serves it. The executor's types are read from its row: sending thousands of names with every poll is
// slow. $2: types without capacity; $3: limited types, counted apart so that they crowd out no others.
const DUE_TYPES = statement(
  'due_types',
  `with recursive ${PENDING_TYPES}, delayed (task_type) as (
     (select task_type from ${TASKS} where ${IS_DELAYED} order by task_type, run_at limit 1)
     union all
     select (select task_type from ${TASKS} where ${IS_DELAYED} and task_type > delayed.task_type
              order by task_type, run_at limit 1)
       from delayed where task_type is not null
   ), own as materialized (
     select task_type from pending
      where task_type in (select unnest(task_types) from ${EXECUTORS} where executor_id = $1)
        and task_type not in (select unnest($2::text[]))
        and not exists (select from ${TYPES} p where p.task_type = pending.task_type and p.paused_at is not null)
   )
   select one.*, due.task_type as "taskType"
     from (select extract(epoch from now())::float8 * 1000 as at,
                  ${nextDueOf(`(select task_type from delayed
                                 where task_type in (select unnest(task_types) from ${EXECUTORS} where executor_id = $1)) u`)} as "nextDueAt") one
     left join (${firsts('not in')} union all ${firsts('in')}) due on true`,
)

interface DueTypeRow {
  readonly taskType: string | null
  readonly at: number
  readonly nextDueAt: number | null
}

interface DueTypes {
  readonly plain: readonly TypeLimits[]
  readonly limited: readonly TypeLimits[]
  /** Types of each kind that were kept; undefined: all. */
  readonly most: number | undefined
  readonly at: number
  readonly nextDueAt: number | null
}

/** Planning a branch per type would take seconds: claims from the types whose due tasks come first. */
export class ManyTypeClaims implements TypeClaims {
  readonly #types: readonly TypeLimits[]
  readonly #memory = new LimitedTypesMemory()
  readonly #db: Database
  readonly #executorId: string
  readonly #positions: ReadonlyMap<string, number>
  readonly #limited: readonly string[]
  readonly #isTraced: boolean

  constructor(db: Database, executorId: string, types: readonly TypeLimits[], isTraced = false) {
    this.#db = db
    this.#isTraced = isTraced
    this.#executorId = executorId
    this.#types = types
    this.#positions = new Map(types.map(({ taskType }, i) => [taskType, i]))
    this.#limited = types.filter(isGloballyLimited).map(({ taskType }) => taskType)
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    return this.#claimPlain(request, await this.#findDue(request))
  }

  async claimLimited(request: ClaimRequest, open: ReadonlySet<string>): Promise<LimitedClaimResult> {
    const due = await this.#findDue(request)
    const names = new Set(due.limited.map(({ taskType }) => taskType))
    // A type that was not found has no due task, unless more types are due than were kept.
    const others = [...open].filter((taskType) => !names.has(taskType))
    const [left, over] = due.most === undefined ? [[], others] : [others, []]
    if (names.size === 0) {
      return { ...(await this.#claimPlain(request, due)), contended: left, seen: over }
    }
    const types = inFewShapes([...due.plain, ...due.limited])
    const claims = this.#claimsOf(types)
    const result = await claims.claimLimited(this.#narrow(request, due, types), names)
    const seen = [...names, ...over]
    const { nextDueAt } = due
    return {
      ...{ ...result, seen, nextDueAt },
      contended: [...result.contended, ...left],
      isPartial: due.most !== undefined || result.isPartial === true,
    }
  }

  async #claimPlain(request: ClaimRequest, due: DueTypes): Promise<ClaimResult> {
    const waiting = due.limited.map(({ taskType }) => taskType)
    const { at, nextDueAt } = due
    if (due.plain.length === 0) return { tasks: [], at, waiting, nextDueAt, isDueLeft: false }
    const types = inFewShapes(due.plain)
    const claims = this.#claimsOf(types)
    const result = await claims.claim(this.#narrow(request, due, types))
    const isDueLeft = result.tasks.length === 0 ? true : undefined
    return { ...result, waiting, nextDueAt, isPartial: due.most !== undefined, isDueLeft }
  }

  #claimsOf(types: readonly TypeLimits[]): Claims {
    return new Claims(this.#db, this.#executorId, types, { isTraced: this.#isTraced }, this.#memory)
  }

  async #findDue({ limit, capacity, closed = [] }: ClaimRequest): Promise<DueTypes> {
    const full = this.#types.filter((_type, i) => capacity[i] === 0).map(({ taskType }) => taskType)
    const rows = await execute<DueTypeRow>(this.#db, DUE_TYPES, [
      this.#executorId,
      [...full, ...closed],
      this.#limited,
    ])
    const due = rows.flatMap(
      ({ taskType }) => this.#types[this.#positions.get(taskType ?? NO_TYPE) ?? -1] ?? [],
    )
    const most = this.#db.prepared || limit > FEW_TASKS ? MOST_DUE : FEW_DUE
    const plain = due.filter((type) => !isGloballyLimited(type))
    const limited = due.filter(isGloballyLimited)
    const isPartial = plain.length > most || limited.length > FEW_DUE
    return {
      plain: plain.slice(0, most),
      limited: limited.slice(0, FEW_DUE),
      most: isPartial ? (limited.length > FEW_DUE ? FEW_DUE : most) : undefined,
      at: rows[0]?.at ?? 0,
      nextDueAt: rows[0]?.nextDueAt ?? null,
    }
  }

  /** With n types found, only the first n tasks are sure to precede those of all other types. */
  #narrow(request: ClaimRequest, { most }: DueTypes, types: readonly TypeLimits[]): ClaimRequest {
    const capacity = types.map(
      ({ taskType }) => request.capacity[this.#positions.get(taskType) ?? -1] ?? null,
    )
    return { limit: Math.min(request.limit, most ?? request.limit), capacity, since: types.map(() => null) }
  }
}

function inFewShapes(types: readonly TypeLimits[]): TypeLimits[] {
  const kinds = Map.groupBy(types, (type) => kindOf(type))
  return [...kinds].toSorted(([a], [b]) => a.localeCompare(b)).flatMap(([, alike]) => padded(alike))
}

function kindOf(type: TypeLimits): string {
  if (type.rate) return `rated ${type.rate.keyed} ${type.keyed} ${type.globalConcurrency !== null}`
  if (type.keyed) return 'keyed'
  if (isGloballyLimited(type)) return 'limited'
  return type.concurrency === null ? 'free' : 'process'
}

function padded(alike: readonly TypeLimits[]): TypeLimits[] {
  const size = SIZES.find((one) => one >= alike.length) ?? alike.length
  const [like] = alike
  return like ? Array.from({ length: size }, (_, i) => alike[i] ?? { ...like, taskType: NO_TYPE }) : []
}
