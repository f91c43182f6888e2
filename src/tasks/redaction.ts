import type { TaskDetail } from '../contract/task.ts'
import { decodeParams, invalidParams, toPointer } from './params.ts'
import { serializeFields } from './serialize.ts'
import type { TaskDefinition } from './task.ts'
import { type Hide, readThrown, toError } from './thrown.ts'

export const REDACTED = '[redacted]'

/** Shorter ones are words of any text: hiding them would make it unreadable and protect nobody. */
const MIN_SECRET_CHARS = 4

/** Hides what an attempt's params hold at the redacted paths wherever the attempt says it. */
export class Scrubber implements Hide {
  readonly #paths: Paths
  readonly #secrets: readonly string[]

  constructor(paths: Paths, secrets: readonly string[]) {
    this.#paths = paths
    // The longest first: one secret may be part of another.
    this.#secrets = secrets.toSorted((a, b) => b.length - a.length)
  }

  get longest(): number {
    return this.#secrets[0]?.length ?? 0
  }

  text(text: string): string {
    return this.#secrets.reduce((left, secret) => left.replaceAll(secret, REDACTED), text)
  }

  /** Fields of a log line, or another value, as the JSON that they are stored as. */
  data(data: unknown): unknown {
    return this.#deep(hideAt(JSON.parse(serializeFields(data) ?? 'null'), this.#paths))
  }

  /** What was thrown, in the same words, for the log of the server. */
  error(thrown: unknown): Error | string {
    return toError(readThrown(thrown, this))
  }

  #deep(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value)
    if (Array.isArray(value)) return value.map((item) => this.#deep(item))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.text(key), this.#deep(item)]))
  }
}

type Paths = readonly (readonly string[])[]

/**
 * What is kept out of sight: values of params at paths that the plugin or the type names, such as `password`,
 * `card.number` or `users.*.token` (`*` stands for any one key or index). Handlers get the true values.
 */
export class Redaction {
  readonly #everywhere: readonly string[]
  readonly #definitions: ReadonlyMap<string, TaskDefinition>

  constructor(everywhere: readonly string[], definitions: ReadonlyMap<string, TaskDefinition>) {
    this.#everywhere = everywhere
    this.#definitions = definitions
  }

  /** A task as people and programs may see it. */
  hide<T extends Pick<TaskDetail, 'taskType' | 'params'>>(task: T): T {
    const paths = this.#pathsOf(task.taskType)
    return paths.length === 0 ? task : { ...task, params: hideAt(task.params, paths) as T['params'] }
  }

  /** Params that were shown hidden, and come back changed: what still says so is what it was. */
  restore<T extends Record<string, unknown>>(taskType: string, given: T, before: Record<string, unknown>): T {
    return this.#pathsOf(taskType).reduce<unknown>((left, path) => restoreAt(left, before, path), given) as T
  }

  /** Whether params of the type may hold what is hidden. */
  hides(taskType: string): boolean {
    return this.#pathsOf(taskType).length > 0
  }

  /**
   * Params that were copied from where they are hidden would be stored with the marker in place of the value.
   *
   * @throws TaskError `INVALID_PARAMS`, with a pointer for each marker at a redacted path
   */
  refuseMarker(taskType: string, params: unknown): void {
    const markers = this.#pathsOf(taskType).flatMap((path) => markersAt(params, path))
    const pointers = [...new Set(markers.map(toPointer))]
    if (pointers.length === 0) return
    const detail = `must be the value itself, not ${REDACTED}`
    throw invalidParams(
      taskType,
      pointers.map((pointer) => ({ pointer, detail })),
    )
  }

  /** Undefined where nothing of the type is to be hidden. */
  scrubberFor(taskType: string, stored: Readonly<Record<string, string>> | null): Scrubber | undefined {
    const paths = this.#pathsOf(taskType)
    if (paths.length === 0) return undefined
    const params = decodeOrNone(stored)
    const secrets = new Set(paths.flatMap((path) => valuesAt(params, path)).flatMap(textsIn))
    return new Scrubber(paths, [...secrets])
  }

  #pathsOf(taskType: string): Paths {
    const own = this.#definitions.get(taskType)?.options.redact ?? []
    return [...this.#everywhere, ...own].map((path) => path.split('.'))
  }
}

/** Params that are no JSON fail their task when it runs: nothing of them is said before. */
function decodeOrNone(stored: Readonly<Record<string, string>> | null): Record<string, unknown> {
  try {
    return decodeParams(stored)
  } catch {
    return {}
  }
}

function hideAt(value: unknown, paths: Paths): unknown {
  return paths.reduce((left, path) => replaceAt(left, path), value)
}

function replaceAt(value: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return REDACTED
  const entries = entriesAt(value, key)
  if (entries.length === 0) return value
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) }
  for (const [name, item] of entries) Object.assign(copy, { [name]: replaceAt(item, rest) })
  return copy
}

function restoreAt(value: unknown, before: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return value === REDACTED && before !== undefined ? before : value
  const entries = entriesAt(value, key)
  if (entries.length === 0) return value
  const olds = new Map(entriesAt(before, key))
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) }
  for (const [name, item] of entries) Object.assign(copy, { [name]: restoreAt(item, olds.get(name), rest) })
  return copy
}

function valuesAt(value: unknown, [key, ...rest]: readonly string[]): unknown[] {
  if (key === undefined) return [value]
  return entriesAt(value, key).flatMap(([, item]) => valuesAt(item, rest))
}

/** Where the marker stands; where all of an object is hidden, anywhere in it. */
function markersAt(value: unknown, [key = '*', ...rest]: readonly string[], at: string[] = []): string[][] {
  if (value === REDACTED) return [at]
  return entriesAt(value, key).flatMap(([name, item]) => markersAt(item, rest, [...at, name]))
}

function entriesAt(value: unknown, key: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).filter(([name]) => key === '*' || name === key)
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return value.length >= MIN_SECRET_CHARS ? [value] : []
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}
