import type { TaskDetail } from '../../contract/task.ts'
import { TaskError } from './errors.ts'
import { isFollowUp } from './follow-up.ts'
import { decodeParams, invalidParams } from './params.ts'
import { toPointer } from './pointer.ts'
import { hideAt, markersAt, type Paths, REDACTED, restoreAt, valuesAt } from './redacted-paths.ts'
import { Scrubber } from './scrubber.ts'
import type { TaskDefinition } from './task.ts'
import { isInstance } from './thrown.ts'

type Visible = Pick<TaskDetail, 'taskType' | 'params'> &
  Partial<Pick<TaskDetail, 'concurrencyKey' | 'uniqueKey' | 'result' | 'steps'>>

/** Redacts values of params at the paths of the plugin and the type. Handlers get the true values. */
export class Redaction {
  readonly #everywhere: readonly string[]
  readonly #definitions: ReadonlyMap<string, TaskDefinition>

  constructor(everywhere: readonly string[], definitions: ReadonlyMap<string, TaskDefinition>) {
    this.#everywhere = everywhere
    this.#definitions = definitions
  }

  hide<T extends Visible>(task: T): T {
    const named = this.#pathsOf(task.taskType, task.params)
    if (named.length === 0) return task
    const paths = [...named, ...unreadAt(task.params, named)]
    const hidden = { ...task, params: hideAt(task.params, paths) as T['params'] }
    const scrubber = createScrubber(paths, task.params)
    for (const key of ['concurrencyKey', 'uniqueKey'] as const) {
      if (typeof task[key] === 'string') hidden[key] = scrubber.text(task[key])
    }
    if (task.steps) hidden.steps = task.steps.map((step) => ({ ...step, name: scrubber.text(step.name) }))
    if (task.result) Object.assign(hidden, { result: scrubber.values(task.result) })
    return hidden
  }

  /** Restores redacted values in params that come back changed, where the marker still stands. */
  restore<T extends Record<string, unknown>>(taskType: string, given: T, before: Record<string, unknown>): T {
    const paths = this.#pathsOf(taskType, before)
    return paths.reduce<unknown>((left, path) => restoreAt(left, before, path), given) as T
  }

  /** Whether values of any type that is known here are hidden. */
  get isUsed(): boolean {
    return this.#everywhere.length > 0 || [...this.#definitions.keys()].some((type) => this.hides(type))
  }

  hides(taskType: string): boolean {
    const { redact = [] } = this.#definitions.get(taskType)?.options ?? {}
    return this.#everywhere.length > 0 || redact.length > 0
  }

  /** Types whose param of this name is redacted, at least in part; `all`: that of every type. */
  typesThatHide(key: string): readonly string[] | 'all' {
    const isNamed = (paths: readonly string[] = []) =>
      paths.some((path) => [key, '*'].includes(path.split('.', 1)[0] ?? ''))
    if (isNamed(this.#everywhere)) return 'all'
    return [...this.#definitions].filter(([, { options }]) => isNamed(options.redact)).map(([type]) => type)
  }

  /** Whether a param of this name is hidden, at least in part. */
  hidesParam(taskType: string, key: string): boolean {
    return this.#pathsOf(taskType).some(([root]) => root === key || root === '*')
  }

  /** Whether values of this task are hidden, also if its params are hidden already. */
  hidesIn({ taskType, params }: Visible): boolean {
    return this.#pathsOf(taskType, params).length > 0
  }

  /** Copied params may contain the marker. @throws TaskError `INVALID_PARAMS`, with a pointer for each */
  refuseMarker(taskType: string, params: unknown): void {
    const markers = this.#pathsOf(taskType, params).flatMap((path) => markersAt(params, path))
    const pointers = [...new Set(markers.map(toPointer))]
    if (pointers.length === 0) return
    const detail = `must be the value itself, not ${REDACTED}`
    throw invalidParams(
      taskType,
      pointers.map((pointer) => ({ pointer, detail })),
    )
  }

  scrubberFor(taskType: string, stored: Readonly<Record<string, string>> | null): Scrubber | undefined {
    if (!this.hides(taskType) && !(stored && isFollowUp(stored))) return undefined
    return this.#scrubberOf(taskType, decodeParams(stored))
  }

  /** Redacts an error about such params: a schema's message may quote its input. */
  hideInError(taskType: string, params: Record<string, unknown>, thrown: unknown): unknown {
    const scrubber = this.#scrubberOf(taskType, params)
    if (!scrubber) return thrown
    if (!isInstance(thrown, TaskError)) return scrubber.error(thrown)
    const problems = thrown.problems.map(({ pointer, detail }) => ({
      pointer,
      detail: scrubber.text(detail),
    }))
    return new TaskError(thrown.code, scrubber.text(thrown.message), { problems })
  }

  #scrubberOf(taskType: string, params: Record<string, unknown>): Scrubber | undefined {
    const named = this.#pathsOf(taskType, params)
    return named.length === 0 ? undefined : createScrubber([...named, ...unreadAt(params, named)], params)
  }

  /** A follow-up holds params of the failed task, which may itself be a follow-up: hidden there as they are in it. */
  #pathsOf(taskType: string, params?: unknown): Paths {
    const own = this.#definitions.get(taskType)?.options.redact ?? []
    const paths = [...this.#everywhere, ...own].map((path) => path.split('.'))
    if (!isFollowUp(params) || typeof params.taskType !== 'string') return paths
    const inner = this.#pathsOf(params.taskType, params.params)
    return [...paths, ...inner.map((path) => ['params', ...path])]
  }
}

/** Paths into params that are stored as invalid JSON: all of the text may be secret. */
function unreadAt(params: Record<string, unknown>, paths: Paths): Paths {
  const roots = new Set(
    paths.flatMap(([root, ...rest]) => (root === undefined || rest.length === 0 ? [] : root)),
  )
  return Object.entries(params).flatMap(([key, value]) => {
    const isUnread = typeof value === 'string' && /^\s*[[{]/.test(value)
    return isUnread && (roots.has(key) || roots.has('*')) ? [[key]] : []
  })
}

function createScrubber(paths: Paths, params: unknown): Scrubber {
  return new Scrubber({ paths, values: paths.flatMap((path) => valuesAt(params, path)) })
}
