import { hostname } from 'node:os'
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
import { permitInstant } from '../notify/fleet.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { Supervisor } from '../runtime/supervisor.ts'
import { WakeUp } from '../runtime/wake-up.ts'
import { Scheduler } from '../schedules/scheduler.ts'
import type { AttemptServices } from './attempt/attempt.ts'
import { ClaimLoop } from './claim-loop.ts'
import { Claimer, type ClaimerOptions } from './claimer.ts'
import { DueTimer } from './due-timer.ts'
import { Heartbeat, type HeartbeatOptions } from './heartbeat.ts'
import { receiverLoop } from './receive.ts'
import { Rest } from './rest.ts'
import { Slots } from './slots.ts'
import { ThreadPool } from './thread/thread-pool.ts'
import { Completions } from './writers/completions.ts'
import { LogBuffer } from './writers/log-buffer.ts'
import { ProgressBuffer } from './writers/progress-buffer.ts'
import { StepWriter } from './writers/steps.ts'

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
  readonly dueTimer: DueTimer
  readonly permitTimer: DueTimer
  readonly rest: Rest
  readonly heartbeat: Heartbeat
  readonly rescuer: Rescuer
  readonly scheduler: Scheduler
  readonly logs: LogBuffer
  readonly progress: ProgressBuffer
  readonly threads: ThreadPool
  readonly loops: ExecutorLoops
  wake(taskTypes?: readonly string[]): void
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
  const rest = new Rest(settings, slots)
  const wake = (taskTypes?: readonly string[]) => {
    claimer.recheck(taskTypes)
    wakeUp.notify()
  }
  const heartbeat = createHeartbeat(options, executorId, {
    slots,
    rest,
    onRegistered: wake,
    onOrphans: () => claimLoop.noteOrphans(),
    onBeat: (found) => rescuer.noteBeat(found),
  })
  const rescuer = createRescuer(options, executorId, heartbeat)
  const { pollIntervalMs } = settings
  const timers = createTimers(pollIntervalMs, heartbeat, { wake, wakeUp })
  const claimer = createClaimer(options, {
    db,
    executorId,
    slots,
    wakeUp,
    ...timers,
    findsIdle: rest.isAllowed,
  })
  const logs = new LogBuffer(db, context, settings.maxLogLines)
  const progress = new ProgressBuffer({
    db,
    executorId,
    context,
    onLost: ({ taskId, attempt }) => abort(taskId, attempt, 'lost'),
  })
  const threads = new ThreadPool(events, db.schema.name)
  const services = attemptServices(options, { db, executorId, logs, progress, threads, giveUp })
  const claimLoop = new ClaimLoop({
    ...{ executorId, definitions, services, slots, claimer, wakeUp, rest, pollIntervalMs },
    isVisible: () => heartbeat.isVisible,
    onDispatched: () => heartbeat.noteActive(),
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
  const loopParts = { claimer, claimLoop, ...timers, rest, heartbeat, rescuer, scheduler }
  const parts = { db, slots, wakeUp, ...loopParts, logs, progress, threads, wake, rescan, abort }
  return { ...parts, loops: supervise(options, parts) }
}

function createTimers(
  pollIntervalMs: number,
  heartbeat: Heartbeat,
  { wake, wakeUp }: Pick<ExecutorParts, 'wake' | 'wakeUp'>,
): Pick<ExecutorParts, 'dueTimer' | 'permitTimer'> {
  const timed = { pollIntervalMs, fleet: () => heartbeat.fleet }
  return {
    dueTimer: new DueTimer({ ...timed, onDue: wake }),
    // A permit is news for its type alone: no recheck of others.
    permitTimer: new DueTimer({ ...timed, instantOf: permitInstant, onDue: () => wakeUp.notify() }),
  }
}

function createClaimer(
  { settings, definitions, events, manager }: ExecutorOptions,
  owned: Pick<
    ClaimerOptions,
    'db' | 'executorId' | 'slots' | 'wakeUp' | 'dueTimer' | 'permitTimer' | 'findsIdle'
  >,
): Claimer {
  return new Claimer({
    ...owned,
    types: [...definitions.values()].map(limitsOf),
    pollIntervalMs: settings.pollIntervalMs,
    isTraced: partsOf(manager).tracing !== undefined,
    onCapacityReleased: (taskTypes) => events.emit('capacityReleased', { taskTypes }),
    onManyDue: () => events.emit('due', { count: Number.POSITIVE_INFINITY }),
  })
}

function createHeartbeat(
  { db, heartDb, settings, definitions, events, version }: ExecutorOptions,
  executorId: string,
  owned: Pick<HeartbeatOptions, 'slots' | 'rest' | 'onRegistered' | 'onOrphans' | 'onBeat'>,
): Heartbeat {
  return new Heartbeat({
    db: heartDb ?? db,
    events,
    intervalMs: settings.heartbeatIntervalMs,
    row: {
      executorId,
      host: hostname(),
      pid: process.pid,
      version,
      slots: settings.concurrency,
      taskTypes: [...definitions.keys()],
      leaseMs: settings.leaseMs,
    },
    followUps: followUpsOf(definitions, settings),
    ...owned,
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
  { db, settings, events, manager }: ExecutorOptions,
  {
    executorId,
    ...owned
  }: Pick<AttemptServices, 'db' | 'logs' | 'progress' | 'threads' | 'giveUp'> & {
    readonly executorId: string
  },
): AttemptServices {
  const { redaction, tracing } = partsOf(manager)
  return {
    ...owned,
    events,
    manager,
    completions: new Completions(owned.db, executorId),
    steps: new StepWriter({ db: owned.db, keepsPlans: db }, executorId),
    cancelGraceMs: settings.cancelGraceMs,
    retryBaseMs: settings.retryBaseMs,
    maxResultBytes: settings.maxResultBytes,
    redaction,
    tracing,
  }
}

function supervise(options: ExecutorOptions, parts: Omit<ExecutorParts, 'loops'>): ExecutorLoops {
  const { settings, definitions, events, listen: connection } = options
  const { db, claimLoop, heartbeat, rescuer } = parts
  const pruner = new Pruner({ db, settings, definitions, events, judge: heartbeat })
  const receiver = connection && receiverLoop({ ...parts, connection, events })
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
    listener: receiver && new Supervisor('listener', receiver, events),
    pruner: new Supervisor('pruner', (signal, passed) => pruner.loop(signal, passed), events),
  }
}
