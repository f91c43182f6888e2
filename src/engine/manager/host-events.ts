import { AsyncLocalStorage } from 'node:async_hooks'
import { describeValue } from '../../client/describe-value.ts'
import { suggest } from '../../client/option-names.ts'
import type { TaskDetail } from '../../contract/task.ts'
import { TaskError } from '../definition/errors.ts'
import { describeError } from '../definition/outcome.ts'
import type { RunEvent, TaskEventListeners, TaskEvents } from '../runtime/events.ts'

/** What every event of a task names. */
export interface TaskEventBase {
  /** Id of the task. */
  readonly taskId: string
  /** Name of its type. */
  readonly taskType: string
  /** Number of the attempt, from 1; 0 before the first one. */
  readonly attempt: number
}

/** An attempt failed. */
export interface FailedAttempt extends TaskEventBase {
  /** The text that the task stores, without redacted values. */
  readonly error: string
  /** Milliseconds from the claim to the write of the outcome. Absent where this process did not run the attempt: its executor died, or no executor knows the type. */
  readonly durationMs?: number
}

/** The events of `app.tasks.on`, and what their listeners receive. */
export interface TaskEventPayloads {
  /** This process has created the task with a commit of its own: not with `tx`, whose commit it does not see. */
  readonly created: TaskEventBase
  /** An attempt begins in this process. */
  readonly started: TaskEventBase
  /** The task is completed. */
  readonly completed: TaskEventBase & {
    /** Milliseconds from the claim to the write of the outcome. */
    readonly durationMs: number
    /** As JSON, without redacted values; null where there is none. Absent after `ctx.complete`: read the task. */
    readonly result?: TaskDetail['result']
  }
  /** The task has failed for good. */
  readonly failed: FailedAttempt
  /** An attempt failed and another one follows, `retryInMs` later. */
  readonly retrying: FailedAttempt & {
    /** Milliseconds until the next attempt is due. */
    readonly retryInMs: number
  }
  /** The task is cancelled: by a call in this process, by the end of a transaction that held its row, or by its expiry. */
  readonly cancelled: TaskEventBase & {
    /** `expired`: it was not started before its `expiresAt`. Absent otherwise. */
    readonly reason?: 'expired'
  }
  /** A handler ignores its aborted signal for `forMs`, the grace period; it keeps its slot. */
  readonly stuck: TaskEventBase & {
    /** Milliseconds since its signal aborted. */
    readonly forMs: number
  }
}

/** Names of the events of `app.tasks.on`. */
export type TaskEventName = keyof TaskEventPayloads

/** What it returns is ignored, but for a promise, whose rejection is logged. */
export type TaskEventListener<Name extends TaskEventName> = (event: TaskEventPayloads[Name]) => unknown

type Emit<Name extends TaskEventName> = (event: TaskEventPayloads[Name]) => void

const base = ({ taskId, taskType, attempt }: RunEvent): TaskEventBase => ({ taskId, taskType, attempt })

const SOURCES: { readonly [Name in TaskEventName]: (emit: Emit<Name>) => TaskEventListeners } = {
  created: (emit) => ({
    created({ taskIds, taskTypes, isRetry }) {
      if (isRetry) return
      taskIds.forEach((taskId, i) => {
        emit({ taskId, taskType: taskTypes[i] ?? '', attempt: 0 })
      })
    },
  }),
  started: (emit) => ({ started: (event) => emit(base(event)) }),
  completed: (emit) => ({
    ended({ outcome, durationMs, readResult, ...event }) {
      if (outcome !== 'completed') return
      // The reader returns parsed JSON.
      const result = readResult && { result: readResult() as TaskDetail['result'] }
      emit({ ...base(event), durationMs, ...result })
    },
  }),
  failed: (emit) => ({
    ended({ outcome, durationMs, error = '', retryInMs, ...event }) {
      const isFinal = (outcome === 'failed' || outcome === 'timed_out') && retryInMs === undefined
      if (isFinal) emit({ ...base(event), error, durationMs })
    },
    rescued({ tasks }) {
      for (const task of tasks) if (task.status === 'failed') emit({ ...base(task), error: task.error })
    },
    unknownTypeFailed: (task) => emit({ ...base(task), error: task.error }),
  }),
  retrying: (emit) => ({
    ended({ durationMs, error = '', retryInMs, ...event }) {
      if (retryInMs !== undefined) emit({ ...base(event), error, retryInMs, durationMs })
    },
    rescued({ tasks }) {
      for (const task of tasks) {
        if (task.status === 'pending') emit({ ...base(task), error: task.error, retryInMs: 0 })
      }
    },
  }),
  cancelled: (emit) => ({
    cancelled: ({ reason, ...event }) => emit({ ...base(event), ...(reason && { reason }) }),
  }),
  stuck: (emit) => ({ stuck: ({ forMs, ...event }) => emit({ ...base(event), forMs }) }),
}

const NAMES = Object.keys(SOURCES)

/** Messages may hold anything: bounds the memory. */
const MAX_CAUSES = 100

interface Registration {
  readonly listener: (event: unknown) => unknown
  isRemoved: boolean
}

interface Topic {
  /** Replaced at each change, so that an event keeps the listeners that it was emitted for. */
  registrations: readonly Registration[]
  /** Removes the listeners on the engine's events. */
  readonly detach: () => void
}

interface Queued {
  readonly name: TaskEventName
  readonly registrations: readonly Registration[]
  readonly event: object
}

/**
 * Passes the engine's events to listeners of the host, in a microtask: none runs inside the engine's code, and
 * `currentTask()` is undefined in each. Events without listeners cost nothing.
 */
export class HostEvents {
  readonly #events: TaskEvents
  readonly #topics = new Map<TaskEventName, Topic>()
  readonly #causes = new Set<string>()
  readonly #outsideOfTasks = AsyncLocalStorage.snapshot()
  #queue: Queued[] = []

  constructor(events: TaskEvents) {
    this.#events = events
  }

  /** @throws TaskError `INVALID_ARGUMENT` for an unknown event, or a listener that is no function */
  on<Name extends TaskEventName>(name: Name, listener: TaskEventListener<Name>): () => void {
    checkArguments(name, listener)
    // Each topic calls its listeners with its own events alone.
    const registration = { listener: listener as Registration['listener'], isRemoved: false }
    const topic = this.#topics.get(name) ?? this.#attach(name)
    topic.registrations = [...topic.registrations, registration]
    return () => this.#remove(name, registration)
  }

  #attach<Name extends TaskEventName>(name: Name): Topic {
    const detach = this.#events.listen(SOURCES[name]((event) => this.#enqueue(name, event)))
    const topic = { registrations: [], detach }
    this.#topics.set(name, topic)
    return topic
  }

  #remove(name: TaskEventName, registration: Registration): void {
    const topic = this.#topics.get(name)
    registration.isRemoved = true
    if (!topic?.registrations.includes(registration)) return
    topic.registrations = topic.registrations.filter((one) => one !== registration)
    if (topic.registrations.length > 0) return
    this.#topics.delete(name)
    topic.detach()
  }

  #enqueue(name: TaskEventName, event: object): void {
    const registrations = this.#topics.get(name)?.registrations ?? []
    if (this.#queue.push({ name, registrations, event: Object.freeze(event) }) > 1) return
    queueMicrotask(() => this.#outsideOfTasks(() => this.#drain()))
  }

  #drain(): void {
    const queue = this.#queue
    this.#queue = []
    for (const { name, registrations, event } of queue) {
      for (const registration of registrations) this.#call(name, registration, event)
    }
  }

  #call(name: TaskEventName, { listener, isRemoved }: Registration, event: object): void {
    if (isRemoved) return
    try {
      const returned = listener(event)
      // Any thenable: a query builder runs its statement when it is awaited.
      if (isThenable(returned)) Promise.resolve(returned).catch((error: unknown) => this.#report(name, error))
    } catch (error) {
      this.#report(name, error)
    }
  }

  #report(event: TaskEventName, error: unknown): void {
    // Ignores ids and numbers.
    const cause = `${event} ${describeError(error).replaceAll(/[\w-]*\d[\w-]*/g, '#')}`
    if (this.#causes.has(cause) || this.#causes.size >= MAX_CAUSES) return
    this.#causes.add(cause)
    this.#events.emit('hostListenerFailed', { event, error })
  }
}

function checkArguments(name: unknown, listener: unknown): void {
  const known = NAMES.join(', ')
  if (typeof name !== 'string' || !NAMES.includes(name)) {
    const nearest = typeof name === 'string' ? suggest(name, NAMES) : ''
    throw new TaskError(
      'INVALID_ARGUMENT',
      `${describeValue(name)} is no event of tasks${nearest} (known: ${known})`,
    )
  }
  if (typeof listener === 'function') return
  throw new TaskError(
    'INVALID_ARGUMENT',
    `the listener of '${name}' must be a function, got ${describeValue(listener)} (known events: ${known})`,
  )
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
