import type pg from 'pg'
import { type Database, keepPlansWhile } from '../../db/database.ts'
import { partsOf } from '../create/manager-parts.ts'
import { followUpsOf } from '../definition/follow-up.ts'
import { limitsOf } from '../definition/limits.ts'
import type { TaskSettings } from '../definition/settings.ts'
import type { TaskDefinition } from '../definition/task.ts'
import { Pruner } from '../maintenance/pruner.ts'
import { Rescuer } from '../maintenance/rescuer.ts'
import type { TaskManager } from '../manager/manager.ts'
import { listenForWork } from '../notify/listener.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { Supervisor } from '../runtime/supervisor.ts'
import { WakeUp } from '../runtime/wake-up.ts'
import { Scheduler } from '../schedules/scheduler.ts'
import type { AttemptServices } from './attempt/attempt.ts'
import { ClaimLoop } from './claim-loop.ts'
import { Claimer, type ClaimerOptions } from './claimer.ts'
import { Dispatcher } from './dispatcher.ts'
import { describeExecutor, Heartbeat, type HeartbeatOptions } from './heartbeat.ts'
import { Slots } from './slots.ts'
import { ThreadPool } from './thread/thread-pool.ts'
import { Completions } from './writers/completions.ts'
import { LogBuffer } from './writers/log-buffer.ts'
import { ProgressBuffer } from './writers/progress-buffer.ts'

/** Plans made for a smaller table are not kept: it may be growing. */
const LARGE_TABLE_BYTES = 1_048_576

export interface ExecutorOptions {
  readonly db: Database
  /** For the heartbeat and the rescuer. Default: `db`. */
  readonly heartDb?: Database
  readonly settings: TaskSettings
  readonly definitions: ReadonlyMap<string, TaskDefinition>
  readonly manager: TaskManager
  readonly events: TaskEvents
  readonly version: string
  /** Where to LISTEN. Default: nowhere; polling finds the same later. */
  readonly listen?: pg.ClientConfig
  findShortage?(): string | undefined
}

export interface ExecutorParts {
  readonly db: Database
  readonly slots: Slots
  readonly claimer: Claimer
  readonly claimLoop: ClaimLoop
  readonly wakeUp: WakeUp
  readonly heartbeat: Heartbeat
  readonly rescuer: Rescuer
  readonly scheduler: Scheduler
  readonly logs: LogBuffer
  readonly progress: ProgressBuffer
  readonly threads: ThreadPool
  readonly loops: ExecutorLoops
  wake(): void
  rescan(): void
  abort(taskId: string, attempt: number, cause: 'cancelled' | 'lost'): void
}

export interface ExecutorLoops {
  readonly claim: Supervisor
  readonly heartbeat: Supervisor
  readonly rescuer: Supervisor
  readonly listener: Supervisor | undefined
  readonly pruner: Supervisor
}

/** Builds every part and fixes the types. */
export function assemble(options: ExecutorOptions, executorId: string, giveUp: AbortSignal): ExecutorParts {
  const { settings, definitions, events } = options
  const db = keepPlansWhile(options.db, () => heartbeat.tableBytes >= LARGE_TABLE_BYTES)
  const context = { events, giveUp }
  const wakeUp = new WakeUp()
  const slots = new Slots(settings.concurrency)
  const wake = () => {
    claimer.recheck()
    wakeUp.notify()
  }
  const heartbeat = createHeartbeat(options, executorId, slots, {
    onRegistered: wake,
    onOrphans: () => claimLoop.noteOrphans(),
    onBeat: (found) => rescuer.noteBeat(found),
  })
  const rescuer = createRescuer(options, executorId, heartbeat)
  const claimer = createClaimer(options, { db, executorId, slots, wakeUp })
  const logs = new LogBuffer(db, context, settings.maxLogLines)
  const progress = new ProgressBuffer({
    db,
    executorId,
    context,
    onLost: ({ taskId, attempt }) => abort(taskId, attempt, 'lost'),
  })
  const threads = new ThreadPool(events)
  const services = attemptServices(options, { db, executorId, logs, progress, threads, giveUp })
  const dispatcher = new Dispatcher({ executorId, definitions, slots, claimer, wakeUp, services })
  const claimLoop = new ClaimLoop({
    ...{ db, executorId, events, giveUp, slots, claimer, wakeUp },
    pollIntervalMs: settings.pollIntervalMs,
    isVisible: () => heartbeat.isVisible,
    dispatch: (task, isCancelled) => dispatcher.dispatch(task, isCancelled),
  })
  const abort = (taskId: string, attempt: number, cause: 'cancelled' | 'lost') => {
    const held = slots.find(taskId, attempt)
    if (held) held.abort(cause)
    else claimLoop.noteCancel({ taskId, attempt })
  }
  const scheduler = new Scheduler({ ...partsOf(options.manager), db, settings, judge: heartbeat })
  const rescan = () => {
    claimer.rescan()
    scheduler.wake()
    wakeUp.notify()
  }
  slots.onFreed = ({ task }, wasFull) => claimer.noteFreed(task.taskType, wasFull)
  slots.onEnded = ({ task }) => claimer.noteEnd(task.taskType)
  const loopParts = { claimer, claimLoop, heartbeat, rescuer, scheduler }
  const parts = { db, slots, wakeUp, ...loopParts, logs, progress, threads, wake, rescan, abort }
  return { ...parts, loops: supervise(options, parts) }
}

function createClaimer(
  { settings, definitions, events }: ExecutorOptions,
  owned: Pick<ClaimerOptions, 'db' | 'executorId' | 'slots' | 'wakeUp'>,
): Claimer {
  return new Claimer({
    ...owned,
    types: [...definitions.values()].map(limitsOf),
    pollIntervalMs: settings.pollIntervalMs,
    onCapacityReleased: (taskTypes) => events.emit('capacityReleased', { taskTypes }),
  })
}

function createHeartbeat(
  { db, heartDb, settings, definitions, events, version }: ExecutorOptions,
  executorId: string,
  slots: Slots,
  listeners: Pick<HeartbeatOptions, 'onRegistered' | 'onOrphans' | 'onBeat'>,
): Heartbeat {
  return new Heartbeat({
    db: heartDb ?? db,
    slots,
    events,
    intervalMs: settings.heartbeatIntervalMs,
    row: describeExecutor({ executorId, version, settings, definitions }),
    followUps: followUpsOf(definitions, settings),
    ...listeners,
  })
}

function createRescuer(
  { db, heartDb, settings, events }: ExecutorOptions,
  executorId: string,
  judge: Heartbeat,
): Rescuer {
  const { leaseMs, unknownTypeGraceSeconds } = settings
  // Not on the connections of writes: locked rows may hold all of them.
  return new Rescuer({ db: heartDb ?? db, events, executorId, leaseMs, unknownTypeGraceSeconds, judge })
}

function attemptServices(
  { settings, events, manager }: ExecutorOptions,
  {
    executorId,
    ...owned
  }: Pick<AttemptServices, 'db' | 'logs' | 'progress' | 'threads' | 'giveUp'> & {
    readonly executorId: string
  },
): Omit<AttemptServices, 'onRetryDue'> {
  return {
    ...owned,
    events,
    manager,
    completions: new Completions(owned.db, executorId),
    cancelGraceMs: settings.cancelGraceMs,
    retryBaseMs: settings.retryBaseMs,
    maxResultBytes: settings.maxResultBytes,
    redaction: partsOf(manager).redaction,
  }
}

function supervise(options: ExecutorOptions, parts: Omit<ExecutorParts, 'loops'>): ExecutorLoops {
  const { settings, definitions, events } = options
  const { db, claimer, claimLoop, heartbeat, rescuer, scheduler, wakeUp, wake, rescan, abort } = parts
  const pruner = new Pruner({ db, settings, definitions, events, judge: heartbeat })
  const listener =
    options.listen &&
    listenForWork({
      db,
      connection: options.listen,
      fleet: () => heartbeat.fleet,
      onDue: (delayMs) => wakeUp.notifyAfter(delayMs, () => claimer.recheck()),
      onSchedules: (deleted) => scheduler.noteChange(deleted),
      onResumed: rescan,
      onCancelled: (taskId, attempt) => abort(taskId, attempt, 'cancelled'),
      onListening: async () => {
        wake()
        scheduler.wake()
        await heartbeat.beatOnce()
      },
    })
  return {
    claim: new Supervisor('poller', (signal, passed) => claimLoop.loop(signal, passed), events),
    heartbeat: new Supervisor(
      'heartbeat',
      (signal, passed) => heartbeat.loop(signal, passed),
      events,
      // After an outage every executor must send a heartbeat before any may judge another.
      settings.heartbeatIntervalMs,
    ),
    rescuer: new Supervisor('rescuer', (signal, passed) => rescuer.loop(signal, passed), events),
    listener: listener && new Supervisor('listener', listener, events),
    pruner: new Supervisor('pruner', (signal, passed) => pruner.loop(signal, passed), events),
  }
}
