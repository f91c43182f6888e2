import type { TaskContext } from '../../definition/context.ts'
import type { TaskManager } from '../../manager/manager.ts'
import type { TaskEvents } from '../../runtime/events.ts'
import type { ClaimedTask } from '../../store/claim.ts'
import type { Fence } from '../../store/fence.ts'
import type { LastProgress } from '../../store/finish.ts'
import type { AttemptOutput } from './attempt-output.ts'
import type { Cancellation } from './cancellation.ts'
import type { Completion } from './completion.ts'

/** What a thread's end of a run needs of it, beside the context that handlers see. */
export interface RunInternals {
  readonly fence: Fence
  readonly maxResultBytes: number
  /** Resolves to the last progress when every line said so far is in the database. */
  flush(): Promise<LastProgress | undefined>
  /** The handler completed its task in a transaction. */
  noteCompletion(): void
  /** A thread died of an error after its handler had returned. */
  reportStray(error: unknown): void
}

const PARTS = Symbol('parts')

interface ExecutorContext extends TaskContext {
  readonly [PARTS]: ContextParts & Pick<ContextServices, 'events' | 'maxResultBytes'>
}

/** @throws TypeError for a context that no executor made */
export function runInternals(ctx: TaskContext): RunInternals {
  const parts = (ctx as Partial<ExecutorContext>)[PARTS]
  if (!parts) throw new TypeError('a thread handler runs only in an executor; call its module in a unit test')
  const { fence, output, completion, events, maxResultBytes } = parts
  return {
    fence,
    maxResultBytes,
    flush: () => output.flushed({ progress: false }).then(() => output.lastProgress),
    noteCompletion: () => completion.noteAttempt(),
    reportStray: (error) => events.emit('strayInThread', { error }),
  }
}

export interface ContextServices {
  readonly manager: TaskManager
  readonly events: TaskEvents
  readonly maxResultBytes: number
}

export interface ContextParts {
  readonly fence: Fence
  readonly cancellation: Cancellation
  readonly output: AttemptOutput
  readonly completion: Completion
}

/**
 * Made when they are asked for. Defined once, for all contexts: getters in the literal below would be functions of each
 * object, which V8 then keeps as a dictionary: a third of what an attempt costs outside the database.
 */
const ON_DEMAND: PropertyDescriptorMap & ThisType<ExecutorContext> = {
  signal: {
    configurable: true,
    enumerable: true,
    get() {
      return this[PARTS].cancellation.signal
    },
  },
  log: {
    configurable: true,
    enumerable: true,
    get() {
      return this[PARTS].output.log
    },
  },
}

/** What the handler of one attempt is given. */
export function createContext(
  task: ClaimedTask,
  { fence, cancellation, output, completion }: ContextParts,
  { manager, events, maxResultBytes }: ContextServices,
): TaskContext {
  const context: Omit<ExecutorContext, 'signal' | 'log'> = {
    taskId: task.taskId,
    taskType: task.taskType,
    attempt: task.attempt,
    progress: (current, total, step) => output.report(current, total, step),
    createTask: (reference, ...[params, options]) => {
      const known = { ...options, createdBy: task.createdBy }
      // The caller's call was checked; the compiler cannot follow it through a generic tuple.
      return manager.createTask<string>(reference as string, params as Record<string, unknown>, known)
    },
    guard: (tx) => completion.guard(tx),
    complete: (tx, result) => completion.complete(tx, result),
    [PARTS]: { fence, cancellation, output, completion, events, maxResultBytes },
  }
  return Object.defineProperties(context, ON_DEMAND) as ExecutorContext
}
