import { type Database, execute, type Statement, statement } from '../../db/database.ts'
import { isGloballyLimited, type TypeLimits } from '../definition/limits.ts'
import { branch, hasTwoKeys, hoppingBranch, searchesKeys } from './claim-branches.ts'
import { type ClaimOptions, claimText, type Limited } from './claim-text.ts'
import { LimitedTypesMemory } from './limited-types-memory.ts'
import { type RatedType, ratedTypes, ratesOf } from './rates.ts'
import { compareIds } from './rows.ts'
import { TYPES } from './tables.ts'

export interface ClaimedTask {
  /** The row's number, as text: writes of the outcome find the row by it. */
  readonly id: string
  readonly taskId: string
  readonly taskType: string
  readonly attempt: number
  readonly retryCount: number
  readonly maxRetries: number
  readonly timeoutSeconds: number
  readonly createdBy: string | null
  readonly priority: number
  /** In milliseconds of the database's clock. */
  readonly dueAt: number
  readonly claimedAt: number
  /** Absent unless this process traces attempts. */
  readonly traceContext?: string | null
  readonly params: Readonly<Record<string, string>> | null
}

/** How long it was due, in milliseconds. */
export function waitOf({ claimedAt, dueAt }: Pick<ClaimedTask, 'claimedAt' | 'dueAt'>): number {
  // Negative if the clock of the database went back.
  return Math.max(0, claimedAt - dueAt)
}

export interface ClaimRequest {
  readonly limit: number
  /** For each type, the most tasks to claim; null: any number. */
  readonly capacity: readonly (number | null)[]
  /** For each type, the earliest due time of the tasks to claim; null: any. */
  readonly since: readonly (string | null)[]
  /** Whether a plain claim that takes nothing also reads if tasks are due that it could not take, as locked ones. */
  readonly findsDueLeft?: boolean
  /** Limited types whose due tasks a plain claim need not report. Empty with `findsDueLeft`. */
  readonly closed?: readonly string[]
}

export interface ClaimResult {
  readonly tasks: ClaimedTask[]
  /** When the claim ran, in milliseconds of the database's clock. */
  readonly at: number
  /** Limited types that had due tasks before the claim. */
  readonly waiting: readonly string[]
  /** The claim may have left tasks that it could have taken: another one may find them. */
  readonly isPartial?: boolean
  /** The due time of the next task, in milliseconds of the database's clock; null: none. Undefined: not read. */
  readonly nextDueAt?: number | null | undefined
  /** Of a claim that took nothing: tasks that it could have taken are due, such as locked ones. Undefined: not read. */
  readonly isDueLeft?: boolean | undefined
}

export interface NextPermit {
  /** When the next permit returns, in milliseconds of the database's clock; null: a permit is free, of each key. */
  readonly at: number | null
  /** Tasks are due of a key that has a permit, and the claim did not take them. Always false without keys. */
  readonly isLeft: boolean
  /** Tasks are due of a key that has no permit. Always false without keys. */
  readonly isHeld: boolean
}

export interface LimitedClaimResult extends ClaimResult {
  /** Open types that the claim left out, as when another claim has locked them: worth another claim soon. */
  readonly contended: readonly string[]
  /** Limited types that the claim included or left out as contended. Default: the open ones. */
  readonly seen?: readonly string[]
  /** By type, of those with a rate limit. */
  readonly nextPermits?: ReadonlyMap<string, NextPermit> | undefined
}

/** One row per claimed task, and one of the claim itself: `id` is null in that one, the fields below in the others. */
interface ClaimRow extends ClaimedTask {
  readonly at: number
  readonly waiting: string[] | null
  readonly lockedTypes: string[] | null
  readonly crowded: string[] | null
  readonly nextPermits: Record<string, NextPermit> | null
  readonly nextDueAt: number | null
  readonly isDueLeft: boolean | null
}

const NO_LIMIT = 1_000_000_000

const NO_ROW = {
  at: 0,
  waiting: null,
  lockedTypes: null,
  crowded: null,
  nextPermits: null,
  nextDueAt: null,
  isDueLeft: null,
}

const INSERT_TYPES = statement(
  'insert_types',
  `insert into ${TYPES} (task_type) select unnest($1::text[]) order by 1 on conflict do nothing`,
)

export interface TypeClaims {
  /** A plain claim, of types without a limit over all processes: higher priority first, then the oldest due. */
  claim(request: ClaimRequest): Promise<ClaimResult>
  /** A limited claim: of plain types, and of these limited ones; of others, too, if `seen` names them. */
  claimLimited(request: ClaimRequest, open: ReadonlySet<string>): Promise<LimitedClaimResult>
}

/** Stands for a type in lists of a fixed length. No task has it: it is too long. */
export const NO_TYPE = '-'.repeat(101)

/**
 * Claims with one branch of SQL per type. Planning takes longer with each branch, so `claim-many.ts` uses this for the types
 * that have due tasks.
 */
export class Claims implements TypeClaims {
  readonly #types: readonly TypeLimits[]
  readonly #db: Database
  readonly #executorId: string
  readonly #options: Pick<ClaimOptions, 'isTraced'>
  readonly #memory: LimitedTypesMemory
  readonly #names: readonly string[]
  readonly #globalLimits: readonly number[]
  readonly #limited: readonly string[]
  readonly #rated: readonly RatedType[]
  readonly #searched: readonly string[]
  readonly #withTwoKeys: ReadonlySet<string>
  #plainStatement: Statement | undefined
  #dueLeftStatement: Statement | undefined
  #limitedStatement: Statement | undefined
  #hopping: Statement | undefined

  constructor(
    db: Database,
    executorId: string,
    types: readonly TypeLimits[],
    options: Pick<ClaimOptions, 'isTraced'> = {},
    memory = new LimitedTypesMemory(),
  ) {
    this.#db = db
    this.#executorId = executorId
    this.#options = options
    this.#types = types
    this.#memory = memory
    this.#names = types.map(({ taskType }) => taskType)
    this.#globalLimits = types.map(({ globalConcurrency }) => globalConcurrency ?? NO_LIMIT)
    const limited = types.filter(isGloballyLimited)
    this.#limited = limited.map(({ taskType }) => taskType)
    this.#rated = ratedTypes(types)
    this.#searched = types.filter(searchesKeys).map(({ taskType }) => taskType)
    this.#withTwoKeys = new Set(types.filter(hasTwoKeys).map(({ taskType }) => taskType))
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    this.#plainStatement ??= this.#createPlain('claim', false)
    this.#dueLeftStatement ??= this.#createPlain('claim_due_left', true)
    const statement = request.findsDueLeft ? this.#dueLeftStatement : this.#plainStatement
    return readResult(request, await execute<ClaimRow>(this.#db, statement, this.#plainValues(request)))
  }

  async claimLimited(request: ClaimRequest, open: ReadonlySet<string>): Promise<LimitedClaimResult> {
    await this.#insertTypes()
    const hops = this.#searched.some((taskType) => open.has(taskType) && this.#memory.crowded.has(taskType))
    const { result, crowded } = await this.#claimOpen(request, open, hops)
    this.#memory.noteContended(result.contended)
    if (crowded) this.#memory.noteCrowded(this.#searched, crowded)
    const combined = hops || !crowded?.length ? result : await this.#claimOtherKeys(request, open, result)
    const isPartial = combined.tasks.some(({ taskType }) => this.#withTwoKeys.has(taskType))
    return { ...combined, isPartial }
  }

  async #insertTypes(): Promise<void> {
    const missing = this.#memory.missing(this.#limited.filter((taskType) => taskType !== NO_TYPE))
    if (missing.length === 0) return
    await execute(this.#db, INSERT_TYPES, [missing])
    this.#memory.noteInserted(missing)
  }

  /** A second claim, after one that found more due tasks than it searched: the others may be of keys that have permits. */
  async #claimOtherKeys(
    request: ClaimRequest,
    open: ReadonlySet<string>,
    first: LimitedClaimResult,
  ): Promise<LimitedClaimResult> {
    const capacity = this.#types.map(({ taskType }, i) => {
      const before = request.capacity[i] ?? null
      return before === null ? null : before - first.tasks.filter((task) => task.taskType === taskType).length
    })
    const rest = { ...request, limit: request.limit - first.tasks.length, capacity }
    try {
      const { result } = await this.#claimOpen(rest, open, true)
      return {
        ...result,
        tasks: [...first.tasks, ...result.tasks].sort(inClaimOrder),
        contended: [...new Set([...first.contended, ...result.contended])],
      }
    } catch (error) {
      // The tasks of the first must run. Those of the second are orphans if only its response was lost.
      if (first.tasks.length > 0) return first
      throw error
    }
  }

  #createPlain(name: string, findsDueLeft: boolean): Statement {
    const limited = this.#limited.length > 0 ? 'reported' : 'absent'
    return this.#statement(
      name,
      limited,
      (type, i) => (isGloballyLimited(type) ? [] : branch(type, i)),
      findsDueLeft,
    )
  }

  #statement(
    name: string,
    limited: Limited,
    branchOf: (type: TypeLimits, i: number) => string | string[],
    findsDueLeft = false,
  ): Statement {
    const branches = this.#types.flatMap((type, i) => branchOf(type, i + 1))
    return statement(
      name,
      claimText(branches, limited, {
        ...this.#options,
        findsDueLeft,
        rates: limited === 'claimed' ? ratesOf(this.#rated) : 'absent',
      }),
    )
  }

  /** `crowded`: types with more due tasks than were searched; undefined if the claim was full. */
  async #claimOpen(
    request: ClaimRequest,
    open: ReadonlySet<string>,
    hops: boolean,
  ): Promise<{ result: LimitedClaimResult; crowded: readonly string[] | undefined }> {
    this.#limitedStatement ??= this.#statement('claim_limited', 'claimed', branch)
    this.#hopping ??= this.#statement('claim_keys', 'claimed', hoppingBranch)
    const values = [...this.#values(request), this.#globalLimits, [...open], this.#searched, ...this.#rates()]
    const rows = await execute<ClaimRow>(this.#db, hops ? this.#hopping : this.#limitedStatement, values)
    const { lockedTypes, nextPermits, crowded } = claimOf(rows)
    const locked = lockedTypes ?? []
    const result = {
      ...readResult(request, rows),
      contended: [...open].filter((taskType) => !locked.includes(taskType)),
      nextPermits: nextPermits ? new Map(Object.entries(nextPermits)) : undefined,
    }
    return { result, crowded: crowded ?? undefined }
  }

  /** The rates of all types, null for those without one, and the types whose starts count by key. */
  #rates(): unknown[] {
    if (this.#rated.length === 0) return []
    return [
      this.#types.map(({ rate }) => rate?.max ?? null),
      this.#types.map(({ rate }) => rate?.windowMs ?? null),
      this.#rated.filter(({ rate }) => rate.keyed).map(({ taskType }) => taskType),
    ]
  }

  /** Without closed types among those to report ($6, the last one). */
  #plainValues(request: ClaimRequest): unknown[] {
    const { closed = [] } = request
    const values = this.#values(request)
    if (this.#limited.length === 0 || closed.length === 0) return values
    return [...values.slice(0, -1), this.#limited.filter((taskType) => !closed.includes(taskType))]
  }

  #values({ limit, capacity, since }: ClaimRequest): unknown[] {
    const values = [this.#executorId, limit, this.#names, capacity, since]
    return this.#limited.length > 0 ? [...values, this.#limited] : values
  }
}

function claimOf(rows: readonly ClaimRow[]) {
  return rows.find(({ id }) => id === null) ?? NO_ROW
}

function inClaimOrder(a: ClaimedTask, b: ClaimedTask): number {
  return b.priority - a.priority || a.dueAt - b.dueAt || compareIds(a.id, b.id)
}

/** Sorts the tasks, as an update returns its rows in no order. */
function readResult({ limit }: ClaimRequest, rows: readonly ClaimRow[]): ClaimResult {
  const { at, waiting, nextDueAt, isDueLeft } = claimOf(rows)
  const tasks = rows.filter(({ id }) => id !== null).sort(inClaimOrder)
  return {
    tasks,
    at,
    waiting: waiting ?? [],
    nextDueAt: tasks.length < limit ? nextDueAt : undefined,
    isDueLeft: tasks.length === 0 ? (isDueLeft ?? undefined) : undefined,
  }
}
