import { TaskError } from './errors.ts'
import type { TaskSettings } from './settings.ts'
import { requireDefinitions, type TaskDefinition } from './task.ts'
import type { FailedTaskParams } from './task-reference.ts'

/**
 * A type's option `onFailed`. The database creates the follow-up, so nothing of it may need a function of its type: a
 * `concurrencyKey` is refused. A chain of follow-ups ends: no type leads back to itself.
 */

export interface TypeFollowUp {
  readonly taskType: string
  /** Null: none. */
  readonly onFailed: NewFollowUp | null
}

/** What a follow-up is created with. */
export interface NewFollowUp {
  readonly taskType: string
  readonly priority: number
  readonly maxRetries: number
  readonly timeoutSeconds: number
}

const PARAM_NAMES = Object.keys({
  taskId: true,
  taskType: true,
  params: true,
  error: true,
  attempts: true,
} satisfies Record<keyof FailedTaskParams, true>)

/** Whether params are those of a follow-up. */
export function isFollowUp(params: unknown): params is Record<keyof FailedTaskParams, unknown> {
  return typeof params === 'object' && params !== null && PARAM_NAMES.every((name) => name in params)
}

/** Of each type, with the defaults of this app. */
export function followUpsOf(
  definitions: ReadonlyMap<string, TaskDefinition>,
  settings: Pick<TaskSettings, 'maxRetries' | 'timeoutSeconds'>,
): TypeFollowUp[] {
  return [...definitions.values()].map(({ type, followUp }) => {
    if (!followUp) return { taskType: type, onFailed: null }
    const { options } = definitions.get(followUp.type) ?? followUp
    const {
      priority = 0,
      maxRetries = settings.maxRetries,
      timeoutSeconds = settings.timeoutSeconds,
    } = options
    return { taskType: type, onFailed: { taskType: followUp.type, priority, maxRetries, timeoutSeconds } }
  })
}

/**
 * The definition that `onFailed` of a type names: of a handler of several types, the one that the registry has.
 *
 * @throws TaskError `INVALID_ARGUMENT`
 */
export function requireFollowUp(
  type: string,
  onFailed: unknown,
  registered: ReadonlyMap<string, TaskDefinition>,
): TaskDefinition {
  const all = requireNamed(type, onFailed)
  const here = all.filter((one) => registered.get(one.type)?.handler === one.handler)
  const candidates = here.length > 0 ? here : all
  const [followUp] = candidates
  if (!followUp || candidates.length > 1) {
    const types = candidates.map((one) => one.type).join(', ')
    throw refused(type, `must be a handler of one type, got a handler of ${types}`)
  }
  const key = followUp.options.concurrencyKey
    ? 'concurrencyKey'
    : followUp.options.rateLimit?.key && 'rateLimit.key'
  if (key) {
    throw refused(
      type,
      `must be a handler without ${key}, which '${followUp.type}' has: the database creates the follow-up`,
    )
  }
  return followUp
}

/**
 * Follows the chain of follow-ups from a type on.
 *
 * @throws TaskError `INVALID_ARGUMENT` if it leads back to a type that it has passed
 */
export function requireEnd(
  type: string,
  followUp: TaskDefinition | undefined,
  registered: ReadonlyMap<string, TaskDefinition>,
): void {
  const chain = [type]
  for (let at = followUp; at; at = (registered.get(at.type) ?? at).followUp) {
    const isCircle = chain.includes(at.type)
    chain.push(at.type)
    if (isCircle)
      throw refused(type, `must not lead back to '${at.type}' (${chain.join(' → ')}): that would never end`)
  }
}

function requireNamed(type: string, onFailed: unknown): readonly TaskDefinition[] {
  try {
    return requireDefinitions(onFailed)
  } catch (error) {
    if (!(error instanceof TaskError)) throw error
    throw refused(type, `must be a handler that was passed to task(): ${error.message}`)
  }
}

function refused(type: string, detail: string): TaskError {
  return new TaskError('INVALID_ARGUMENT', `task('${type}'): onFailed ${detail}`)
}
