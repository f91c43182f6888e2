import { EventEmitter } from 'node:events'
import { types } from 'node:util'
import type { AuditAction } from '../../contract/audit-views.ts'
import type { Actor } from '../definition/actor.ts'
import type { AttemptOutcome, LogLevel } from '../definition/lifecycle.ts'
import { describeError } from '../definition/outcome.ts'
import type { RescuedTask } from '../store/rescue.ts'

/** Names one run of a task. */
export interface RunEvent {
  /** Id of the task. */
  readonly taskId: string
  /** Name of its type. */
  readonly taskType: string
  /** Number of the attempt, from 1. */
  readonly attempt: number
}

export interface AttemptEnd {
  readonly outcome: AttemptOutcome
  readonly durationMs: number
  readonly error?: string
  readonly retryInMs?: number
  /** It sleeps: another attempt follows. */
  readonly wakesInMs?: number
  /** The stored result as views show it; undefined if a transaction of the handler wrote it. */
  readResult?(): unknown
}

/** Part of a change in the audit. */
export interface AuditResult {
  readonly subject: string | null
  /** `ok`, or the code of the error. */
  readonly outcome: string
}

/** What happens in the engine. Listeners word log lines and count metrics. */
export interface TaskEventMap {
  /** Created or made pending again (`isRetry`) here. `overdue`: a task was due before it existed. */
  created: [
    {
      taskIds: readonly string[]
      taskTypes: readonly string[]
      dueNow: boolean
      overdue?: boolean
      isRetry?: boolean
    },
  ]
  /** A pending task was changed here. `inMs`: until it is due. `isReplaced`: by a create with its unique key. */
  changed: [{ taskId: string; taskType: string; overdue: boolean; inMs: number; isReplaced?: boolean }]
  /** A task will be due in `inMs`, at `dueAt`, an instant of the database's clock in milliseconds. */
  delayed: [{ dueAt: number; inMs: number }]
  /** Due tasks of which no other process has been notified. */
  due: [{ count: number }]
  /** A change by an actor, or a refused one, was written here. */
  audited: [{ actor: Actor; action: AuditAction; results: readonly AuditResult[] }]
  /**
   * `wasPending`: no process runs it. `expired`: it was not started in time. `isCounted`: its statement has added it to the
   * figures.
   */
  cancelled: [RunEvent & { wasPending?: boolean; reason?: 'expired'; isCounted?: boolean }]
  /** A transaction holds the row of a running task: its handler is to stop now, the row becomes cancelled later. */
  cancelRequested: [RunEvent]
  resumed: [{ taskType: string }]
  capacityReleased: [{ taskTypes: readonly string[] }]
  /** `waitedMs`: since the task was due. */
  started: [RunEvent & { waitedMs: number }]
  /** An outcome was written. `retryInMs`: another attempt follows. */
  ended: [RunEvent & AttemptEnd]
  logged: [RunEvent & { level: LogLevel; message: string; data: unknown }]
  /** `error` has the stack that the row does not keep. */
  threw: [RunEvent & { error: unknown }]
  /** A type's retry policy threw or returned an invalid delay: the default applied. */
  retryPolicyFailed: [RunEvent & { error: unknown }]
  late: [RunEvent & { what: 'completion' | 'failure' | 'progress' | 'log' }]
  /** A handler has ignored its signal for the grace period; it keeps its slot. */
  stuck: [RunEvent & { forMs: number }]
  /** A thread died of an error that was thrown after its handler had returned. */
  lateThreadError: [{ error: unknown }]
  logsDropped: [{ count: number }]
  /** `tasks` are pending again, or failed if no retry was left. */
  rescued: [{ tasks: readonly RescuedTask[] }]
  orphansReleased: [{ taskIds: readonly string[] }]
  unknownTypeFailed: [RunEvent & { error: string }]
  schedulesChanged: [{ schedule: string; deleted?: boolean }]
  /** Through the API, in any process. */
  scheduleDeleted: [{ schedule: string }]
  /** Notifications of other processes arrive from now on, or are lost. */
  listening: [{ isListening: boolean }]
  ticked: [{ schedule: string; ticks: readonly Date[]; taskIds: readonly string[] }]
  tickFailed: [{ schedule: string; tick: Date; error: unknown }]
  ticksSkipped: [{ schedule: string; from: Date; before: Date }]
  pruned: [{ count: number }]
  /** At most once per event name. */
  listenerFailed: [{ event: string; error: unknown }]
  /** A host's listener threw or rejected: once per cause. */
  hostListenerFailed: [{ event: string; error: unknown }]
  /** Negative: backwards. `behindMs`: time until the clock shows its latest instant again. */
  clockJumped: [{ byMs: number; behindMs: number }]
  /** Emitted once per outage; the supervisor restarts the loop. */
  loopFailed: [{ loop: string; error: unknown }]
  loopRecovered: [{ loop: string; failures: number }]
  writeFailed: [{ what: string; error: unknown }]
  /** A write failed and is retried: once per write, which `write` identifies. */
  writeDelayed: [{ write: symbol; what: string; error: unknown }]
  writeEnded: [{ write: symbol; what: string; as: 'written' | 'refused' | 'given up' }]
}

/** By the names of their events. */
export type TaskEventListeners = {
  readonly [Name in keyof TaskEventMap]?: (...event: TaskEventMap[Name]) => void
}

// Without `emit`, whose signature differs between the versions of @types/node: an override fits only one of them.
const Emitter: new () => Omit<EventEmitter<TaskEventMap>, 'emit'> = EventEmitter

/** A listener that throws affects neither the emitter nor other listeners. */
export class TaskEvents extends Emitter {
  readonly #failed = new Set<string>()

  constructor() {
    super()
    this.setMaxListeners(0)
  }

  /** Returns a function that removes them. */
  listen(listeners: TaskEventListeners): () => void {
    // The type relates each name to its listener; `entries` forgets it.
    const all = Object.entries(listeners) as [never, never][]
    for (const [name, listener] of all) this.on(name, listener)
    return () => {
      for (const [name, listener] of all) this.off(name, listener)
    }
  }

  emit<Name extends keyof TaskEventMap>(name: Name, ...event: TaskEventMap[Name]): boolean {
    const listeners = this.rawListeners(name)
    for (const listener of listeners) {
      try {
        const returned: unknown = Reflect.apply(listener, this, event)
        if (types.isPromise(returned)) returned.catch((error: unknown) => this.#report(name, error))
      } catch (error) {
        this.#report(name, error)
      }
    }
    return listeners.length > 0
  }

  /** To the log; where that is what fails, to the process. */
  #report(event: string, error: unknown): void {
    if (this.#failed.has(event)) return
    this.#failed.add(event)
    if (event !== 'listenerFailed') this.emit('listenerFailed', { event, error })
    else process.emitWarning(`the task log failed: ${describeError(error)}`)
  }
}
