import { type Database, execute, type Statement, statement } from '../../db/database.ts'
import { isGloballyLimited, type TypeLimits } from '../definition/limits.ts'
import { branch, hasTwoKeys, hasWindow, hoppingBranch } from './claim-branches.ts'
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
  /** Absent unless attempts are traced here. */
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
  /** For each type, the instant of the database since which tasks must have been due; null: any. */
  readonly since: readonly (string | null)[]
  /** Whether a claim that takes nothing finds out if tasks are due all the same, such as locked ones. */
  readonly findsDueLeft?: boolean
  /** Types with a limit over all processes whose due tasks need not be reported. None with `findsDueLeft`. */
  readonly closed?: readonly string[]
}

export interface ClaimResult {
  readonly tasks: ClaimedTask[]
  readonly at: number
  /** Types with a limit over all processes that had due tasks before the claim. */
  readonly waiting: readonly string[]
  /** It took tasks and may have left others that it could have taken: another claim may find them. */
  readonly isPartial?: boolean
  /** The due time of the next task, in milliseconds of the database's clock; null: none. Undefined if it was full. */
  readonly nextDueAt?: number | null | undefined
  /** It claimed nothing, and tasks that it could have taken are due, such as locked ones. Undefined: not looked for. */
  readonly isDueLeft?: boolean | undefined
}

export interface NextPermit {
  /** When it becomes free, in milliseconds of the database's clock; null: none is missing. */
  readonly at: number | null
  /** A key with a permit has due tasks that the claim did not take. Always false without keys. */
  readonly isLeft: boolean
  /** A key without a permit has due tasks. Always false without keys. */
  readonly isHeld: boolean
}

export interface LimitedClaimResult extends ClaimResult {
  /** Open types that it left out: another claim has locked them or has just taken tasks. Worth another claim soon. */
  readonly contended: readonly string[]
  /** Types whose due tasks it has looked for. Default: the open ones. */
  readonly seen?: readonly string[]
  /** Of types with a rate limit that it has looked at. */
  readonly nextPermits?: ReadonlyMap<string, NextPermit> | undefined
}

/** One per claimed task, and one of the claim itself, whose id is null. `lockedTypes`: those that the claim has locked. */
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
  /** Claims due tasks of types without a limit over all processes: higher priority first, then the oldest due. */
  claim(request: ClaimRequest): Promise<ClaimResult>
  /** Claims due tasks of these types, and of all types without a limit over all processes. */
  claimLimited(request: ClaimRequest, open: ReadonlySet<string>): Promise<LimitedClaimResult>
}

/** Pads lists of types: too long for a task to have it. */
export const NO_TYPE = '-'.repeat(101)

/**
 * Claims for all types of an executor, or for those that have due tasks: planning time grows with the number of types; see
 * `claim-many.ts`.
 */
export class Claims implements TypeClaims {
  readonly #types: readonly TypeLimits[]
  readonly #db: Database
  readonly #executorId: string
  readonly #options: Pick<ClaimOptions, 'isTraced'>
  readonly #memory: LimitedTypesMemory
  readonly #names: readonly string[]
  readonly #globals: readonly number[]
  readonly #limited: readonly string[]
  readonly #rated: readonly RatedType[]
  readonly #windowed: readonly string[]
  readonly #withTwoKeys: ReadonlySet<string>
  #plain: Statement | undefined
  #findingDueLeft: Statement | undefined
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
    this.#globals = types.map(({ globalConcurrency }) => globalConcurrency ?? NO_LIMIT)
    const limited = types.filter(isGloballyLimited)
    this.#limited = limited.map(({ taskType }) => taskType)
    this.#rated = ratedTypes(types)
    this.#windowed = types.filter(hasWindow).map(({ taskType }) => taskType)
    this.#withTwoKeys = new Set(types.filter(hasTwoKeys).map(({ taskType }) => taskType))
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    this.#plain ??= this.#plainStatement('claim', false)
    this.#findingDueLeft ??= this.#plainStatement('claim_due_left', true)
    const statement = request.findsDueLeft ? this.#findingDueLeft : this.#plain
    return readResult(request, await execute<ClaimRow>(this.#db, statement, this.#plainValues(request)))
  }

  async claimLimited(request: ClaimRequest, open: ReadonlySet<string>): Promise<LimitedClaimResult> {
    await this.#insertTypes()
    const { crowded: known } = this.#memory
    const hops = this.#windowed.some((taskType) => open.has(taskType) && known.has(taskType))
    const { result, crowded } = await this.#claimOpen(request, open, hops)
    this.#memory.noteContended(result.contended)
    if (crowded) this.#memory.noteCrowded(this.#windowed, crowded)
    const all = hops || !crowded?.length ? result : await this.#claimOtherKeys(request, open, result)
    return { ...all, isPartial: all.tasks.some(({ taskType }) => this.#withTwoKeys.has(taskType)) }
  }

  async #insertTypes(): Promise<void> {
    const missing = this.#memory.missing(this.#limited.filter((taskType) => taskType !== NO_TYPE))
    if (missing.length === 0) return
    await execute(this.#db, INSERT_TYPES, [missing])
    this.#memory.noteInserted(missing)
  }

  /** Goes on after a claim that has shown due tasks beyond the window, which may be of keys that it has not seen. */
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
      // Claimed tasks must run; the next claim meets the outage itself.
      if (first.tasks.length > 0) return first
      throw error
    }
  }

  #plainStatement(name: string, findsDueLeft: boolean): Statement {
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

  /** `crowded`: undefined where the claim was full. */
  async #claimOpen(
    request: ClaimRequest,
    open: ReadonlySet<string>,
    hops: boolean,
  ): Promise<{ result: LimitedClaimResult; crowded: readonly string[] | undefined }> {
    this.#limitedStatement ??= this.#statement('claim_limited', 'claimed', branch)
    this.#hopping ??= this.#statement('claim_keys', 'claimed', hoppingBranch)
    const values = [...this.#values(request), this.#globals, [...open], this.#windowed, ...this.#rates()]
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

  /** Null: the type has no rate limit. */
  #rates(): unknown[] {
    if (this.#rated.length === 0) return []
    return [
      this.#types.map(({ rate }) => rate?.max ?? null),
      this.#types.map(({ rate }) => rate?.windowMs ?? null),
      this.#rated.filter(({ rate }) => rate.keyed).map(({ taskType }) => taskType),
    ]
  }

  /** Omits closed types from $6. */
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

/** An update returns its rows in no order. */
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
