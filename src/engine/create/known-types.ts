import { suggest } from '../../client/option-names.ts'
import type { Database } from '../../db/database.ts'
import type { Transaction } from '../../db/query-runner.ts'
import { TaskError } from '../definition/errors.ts'
import type { TaskDefinition } from '../definition/task.ts'
import { findTypesInUse } from '../store/task-types.ts'

const KNOWN_MS = 60_000

/** Types of this app, and those that an executor of the last day has registered, cached for a minute. */
export class KnownTypes {
  readonly #db: Database
  readonly #definitions: ReadonlyMap<string, TaskDefinition>
  readonly #elsewhere = new Map<string, number>()
  readonly #inFlight = new Map<string, Promise<void>>()

  constructor({ db, definitions }: { db: Database; definitions: ReadonlyMap<string, TaskDefinition> }) {
    this.#db = db
    this.#definitions = definitions
  }

  /** Queries in `tx`, which may hold the pool's last connection. @throws TaskError `UNKNOWN_TASK_TYPE` */
  async require(taskTypes: readonly string[], tx?: Transaction): Promise<void> {
    const unknown = taskTypes.filter((taskType) => !this.#isKnown(taskType))
    if (unknown.length === 0) return
    await (tx ? this.#query(unknown, tx) : Promise.all(unknown.map((taskType) => this.#queryOnce(taskType))))
    const missing = unknown.find((taskType) => !this.#isKnown(taskType))
    if (missing !== undefined) throw unknownType(missing, [...this.#definitions.keys()])
  }

  #isKnown(taskType: string): boolean {
    return (
      this.#definitions.has(taskType) ||
      (this.#elsewhere.get(taskType) ?? Number.NEGATIVE_INFINITY) > performance.now()
    )
  }

  #queryOnce(taskType: string): Promise<void> {
    const inFlight = this.#inFlight.get(taskType)
    if (inFlight) return inFlight
    const query = this.#query([taskType]).finally(() => this.#inFlight.delete(taskType))
    this.#inFlight.set(taskType, query)
    return query
  }

  async #query(taskTypes: readonly string[], tx?: Transaction): Promise<void> {
    const found = await findTypesInUse(this.#db, taskTypes, tx)
    for (const taskType of found) this.#elsewhere.set(taskType, performance.now() + KNOWN_MS)
  }
}

const MAX_NAMED_TYPES = 20

export function unknownType(taskType: string, registered: readonly string[]): TaskError {
  const known = listTypes(registered)
  return new TaskError(
    'UNKNOWN_TASK_TYPE',
    `task type '${taskType}' is not registered here, nor by any executor of the last day${suggest(taskType, registered)} ` +
      `(registered here: ${known})`,
    { problems: [{ pointer: '/taskType', detail: `must be one of: ${known}` }] },
  )
}

function listTypes(types: readonly string[]): string {
  const named = types.slice(0, MAX_NAMED_TYPES).join(', ') || 'none'
  const more = types.length - MAX_NAMED_TYPES
  return more > 0 ? `${named} and ${more} more` : named
}
