import { EventEmitter } from 'node:events'
import { types } from 'node:util'
import type { AttemptOutcome, LogLevel } from '../definition/lifecycle.ts'
import { describeError } from '../definition/outcome.ts'
import type { RescuedTask } from '../store/rescue.ts'

export interface RunEvent {
  readonly taskId: string
  readonly taskType: string
  readonly attempt: number
}

export interface AttemptEnd {
  readonly outcome: AttemptOutcome
  readonly durationMs: number
  readonly error?: string
  readonly retryInMs?: number
  /** The stored result as views show it; undefined where a transaction of the handler's wrote it. */
  readResult?(): unknown
}

/** What happens in the engine. Nothing in it words a log line or counts a metric: listeners do. */
export interface TaskEventMap {
  /**
   * Tasks were created, or made pending again (`isRetry`), in this process; `dueNow`: one may run at once; `overdue`: one
   * has been due for longer than it has existed.
   */
  created: [
    {
      taskIds: readonly string[]
      taskTypes: readonly string[]
      dueNow: boolean
      overdue?: boolean
      isRetry?: boolean
    },
  ]
  /** So many tasks are due that no other process has been notified of. */
  due: [{ count: number }]
  cancelled: [RunEvent]
  /** A transaction holds the row of a running task: it becomes cancelled later, and its handler is to stop now. */
  cancelRequested: [RunEvent]
  /** Tasks of a type that was paused may be claimed again. */
  resumed: [{ taskType: string }]
  /** Tasks of these types may be due that this process has no room for: others may. */
  roomLeft: [{ taskTypes: readonly string[] }]
  started: [RunEvent]
  /** An attempt was written down. `retryInMs` when another one follows. */
  ended: [RunEvent & AttemptEnd]
  /** A line of a handler's own log. */
  logged: [RunEvent & { level: LogLevel; message: string; data: unknown }]
  /** A handler threw; `error` carries the stack that the row does not keep. */
  threw: [RunEvent & { error: unknown }]
  /** A type's own retry policy threw, or answered nonsense: the default applied. */
  retryPolicyFailed: [RunEvent & { error: unknown }]
  /** A write came after its row had ended or changed hands, and changed nothing. */
  late: [RunEvent & { what: 'completion' | 'failure' | 'progress' | 'log' }]
  /** A handler has ignored its signal for the grace period; it keeps its slot. */
  stuck: [RunEvent & { forMs: number }]
  /** A thread died of an error that a handler had left behind before it returned. */
  strayInThread: [{ error: unknown }]
  /** Lines did not fit into the buffer. */
  logsDropped: [{ count: number }]
  /** Tasks of dead executors were put back, or failed when no retry was left. */
  rescued: [{ tasks: readonly RescuedTask[] }]
  /** Tasks of a claim whose answer was lost were handed back. */
  orphansReleased: [{ taskIds: readonly string[] }]
  unknownTypeFailed: [RunEvent & { error: string }]
  /** A schedule was created, changed or deleted in this process. */
  schedulesChanged: [{ schedule: string; deleted?: boolean }]
  /** It was deleted through the API, in whatever process. */
  scheduleDeleted: [{ schedule: string }]
  /** Ticks of a schedule made tasks. */
  ticked: [{ schedule: string; ticks: readonly Date[]; taskIds: readonly string[] }]
  /** A tick made no task; the schedule goes on with its next one. */
  tickFailed: [{ schedule: string; tick: Date; error: unknown }]
  /** Ticks, from one instant up to but without another, that are not made up for. */
  ticksSkipped: [{ schedule: string; from: Date; before: Date }]
  /** Ended tasks whose time was over were removed. */
  pruned: [{ count: number }]
  /** A listener threw: once for each event of the name, at most. What the event is about goes on. */
  listenerFailed: [{ event: string; error: unknown }]
  /** A listener of the host's threw, or its promise rejected: once for each cause. */
  hostListenerFailed: [{ event: string; error: unknown }]
  /**
   * The database's clock jumped between two heartbeats, or is behind heartbeats that were written before this executor's
   * first one: forward, or back where `byMs` is negative. `behindMs`: until it shows again what it had shown.
   */
  clockJumped: [{ byMs: number; behindMs: number }]
  /** A loop of the executor died and will be started again. Once an outage, not once a try. */
  loopFailed: [{ loop: string; error: unknown }]
  loopRecovered: [{ loop: string; failures: number }]
  /** A write was refused for good. */
  writeFailed: [{ what: string; error: unknown }]
  /** A write failed and is tried again. Once a write, not once a try; `write` is this one among those of its kind. */
  writeDelayed: [{ write: symbol; what: string; error: unknown }]
  /** It went through, or was refused for good; or was given up, with the database still away. */
  writeSettled: [{ write: symbol; what: string; as: 'written' | 'refused' | 'given up' }]
}

/** Listeners observe: one that throws, such as a host's logger, changes nothing for the emitter nor for the others. */
export class TaskEvents extends EventEmitter<TaskEventMap> {
  readonly #failed = new Set<string>()

  constructor() {
    super()
    // One listener a waiting caller is normal here.
    this.setMaxListeners(0)
  }

  override emit<Name extends keyof TaskEventMap>(name: Name, ...event: TaskEventMap[Name]): boolean {
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

  /** By the log, and where the log is what fails, by the process. */
  #report(event: string, error: unknown): void {
    if (this.#failed.has(event)) return
    this.#failed.add(event)
    if (event !== 'listenerFailed') this.emit('listenerFailed', { event, error })
    else process.emitWarning(`the task log failed: ${describeError(error)}`)
  }
}
