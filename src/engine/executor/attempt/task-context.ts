import type { TaskContext, TaskLog } from '../../definition/context.ts'
import type { TaskManager } from '../../manager/manager.ts'
import type { ClaimedTask } from '../../store/claim.ts'
import type { StepRunner } from '../steps/step-runner.ts'
import type { AttemptOutput } from './attempt-output.ts'
import type { Cancellation } from './cancellation.ts'
import type { TransactionalCompletion } from './transactional-completion.ts'

export interface ContextParts {
  readonly manager: TaskManager
  readonly cancellation: Cancellation
  readonly output: AttemptOutput
  readonly completion: TransactionalCompletion
  /** Made on first use. */
  steps(): StepRunner
}

/**
 * The `ctx` of one attempt. Handlers may destructure, spread and inherit it. Its functions are field initializers:
 * assigned in the constructor, they double the cost of an attempt in V8.
 */
export class AttemptContext implements TaskContext {
  readonly taskId: string
  readonly taskType: string
  readonly attempt: number
  readonly #createdBy: string | null
  readonly #parts: ContextParts

  readonly progress: TaskContext['progress'] = (current, total, step) =>
    this.#parts.output.report(current, total, step)

  readonly createTask: TaskContext['createTask'] = (reference, ...[params, options]) => {
    const known = { ...options, createdBy: this.#createdBy }
    // The types were checked at the caller; a generic tuple loses them.
    return this.#parts.manager.createTask<string>(
      reference as string,
      params as Record<string, unknown>,
      known,
    )
  }

  readonly guard: TaskContext['guard'] = (tx) => this.#parts.completion.guard(tx)

  readonly complete: TaskContext['complete'] = (tx, result) => this.#parts.completion.complete(tx, result)

  readonly step: TaskContext['step'] = (name, run, options) => this.#parts.steps().step(name, run, options)

  readonly sleep: TaskContext['sleep'] = (name, until) => this.#parts.steps().sleep(name, until)

  constructor(task: ClaimedTask, parts: ContextParts) {
    this.taskId = task.taskId
    this.taskType = task.taskType
    this.attempt = task.attempt
    this.#createdBy = task.createdBy
    this.#parts = parts
    // Own properties, which a spread copies. Getters defined per context would make V8 use a slow dictionary.
    Object.defineProperty(this, 'signal', AttemptContext.#SIGNAL)
    Object.defineProperty(this, 'log', AttemptContext.#LOG)
  }

  get signal(): AbortSignal {
    return AttemptContext.#partsOf(this).cancellation.signal
  }

  get log(): TaskLog {
    return AttemptContext.#partsOf(this).output.log
  }

  static readonly #SIGNAL = enumerableGetter(AttemptContext.prototype, 'signal')
  static readonly #LOG = enumerableGetter(AttemptContext.prototype, 'log')

  static #partsOf(context: object): ContextParts {
    if (#parts in context) return context.#parts
    return AttemptContext.#partsOf(Object.getPrototypeOf(context))
  }
}

function enumerableGetter(prototype: object, name: string): PropertyDescriptor {
  return { ...Object.getOwnPropertyDescriptor(prototype, name), enumerable: true }
}
