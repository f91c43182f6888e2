import { listExecutors } from '../../../engine/store/executors.ts'
import { countByType, type TypeCount } from '../../../engine/store/stats.ts'
import { toShellWord } from '../../shell-word.ts'
import { type Illness, illness } from '../illness.ts'
import { type Check, duration, listed } from '../patient.ts'
import {
  findDeserted,
  findHeartbeatAhead,
  findScheduleFaults,
  findWaitingCancels,
  readPruning,
} from '../store/fleet.ts'

/** A process that restarts is away for less. */
const UNSERVED_SECONDS = 30
const LONG_WAIT_SECONDS = 300
const LONG_PAUSE_SECONDS = 3_600
const CRASH_WINDOW_MS = 3_600_000
const MANY_CRASHES = 3

export const checkTypes: Check = async ({ db }) => (await countByType(db)).flatMap(typeIllness)

function typeIllness(type: TypeCount): Illness[] {
  const { taskType, pending, oldestDueSeconds, paused, waitingFor } = type
  const waits = oldestDueSeconds ?? 0
  const seen = `${pending} tasks of '${taskType}' wait, the oldest due one for ${duration(waits)}`
  if (paused) {
    if (waits < LONG_PAUSE_SECONDS) return []
    return [
      illness(
        'TYPE_PAUSED',
        `${seen}, because the type is paused`,
        `npx fastify-async-tasks resume ${toShellWord(taskType)}`,
      ),
    ]
  }
  if (waitingFor) {
    if (waits < UNSERVED_SECONDS) return []
    return [
      illness(
        'TYPE_WITHOUT_EXECUTOR',
        `${seen}, and no live executor has registered the type`,
        `start a process that registers '${taskType}', or look in the log of the one that should run`,
        `if the type is gone for good: npx fastify-async-tasks cancel --task-type ${toShellWord(taskType)} --status pending`,
      ),
    ]
  }
  if (waits < LONG_WAIT_SECONDS) return []
  return [
    illness(
      'BACKLOG',
      `${seen}, though executors have registered the type`,
      `look at what runs: npx fastify-async-tasks list --task-type ${toShellWord(taskType)} --status running`,
      'start another process, or raise concurrency, globalConcurrency or rateLimit, whichever holds the tasks back',
    ),
  ]
}

export const checkExecutors: Check = async ({ db }) => {
  const executors = await listExecutors(db)
  const stuck = executors
    .filter((one) => one.alive && one.stuck.length > 0)
    .map(({ host, pid, stuck: tasks, slots }) =>
      illness(
        'HANDLER_STUCK',
        `handlers in process ${pid} on ${host} ignore their signal and hold ${tasks.length} of ${slots} slots: ${listed(tasks)}`,
        'let the handler pass ctx.signal to what it waits for, or check ctx.signal.aborted in its loop',
        `restart process ${pid} on ${host}`,
        "declare the type with run: 'thread', whose handlers can be ended",
      ),
    )
  const dead = executors
    .filter((one) => !one.alive && one.runningTasks.length > 0)
    .map(({ host, pid, heartbeatAgeMs, runningTasks }) =>
      illness(
        'EXECUTOR_DEAD',
        `process ${pid} on ${host} has sent no heartbeat for ${duration(heartbeatAgeMs / 1_000)}, and ${runningTasks.length} tasks still run under it`,
        'start any process with an executor: it takes the tasks over after a lease',
        `look why process ${pid} on ${host} ended, or cannot reach the database`,
      ),
    )
  const deserted = await findDeserted(db)
  if (deserted.length > 0) {
    dead.push(
      illness(
        'EXECUTOR_DEAD',
        `${deserted.length} tasks still run under a process that has stopped, or whose row was deleted: ${listed(deserted.map(({ taskId }) => taskId))}`,
        'start any process with an executor: it takes the tasks over after a lease',
      ),
    )
  }
  const crashed = executors.filter((one) => !one.alive && one.heartbeatAgeMs < CRASH_WINDOW_MS)
  if (crashed.length < MANY_CRASHES) return [...stuck, ...dead]
  const processes = listed(crashed.map(({ host, pid }) => `${pid} on ${host}`))
  return [
    ...stuck,
    ...dead,
    illness(
      'EXECUTORS_CRASH',
      `${crashed.length} processes of the last hour ended without a stop: ${processes}`,
      'read the last lines of their logs, and whether the system killed them for their memory',
      'send SIGTERM instead of SIGKILL, and wait longer than shutdownTimeoutMs',
    ),
  ]
}

export const checkClockOfDatabase: Check = async ({ db }) => {
  const ahead = await findHeartbeatAhead(db)
  if (!ahead) return []
  return [
    illness(
      'CLOCK_WENT_BACK',
      `the last heartbeat of process ${ahead.pid} on ${ahead.host} is ${duration(ahead.aheadSeconds)} in the future of the database's clock, which has been set back`,
      'wait until the clock has caught up',
      'slew the clock of the database (chronyd, ntpd -x) instead of stepping it',
    ),
  ]
}

export const checkSchedules: Check = async ({ db }) =>
  (await findScheduleFaults(db)).map(({ name, lastError, lateSeconds }) =>
    lastError === null
      ? illness(
          'SCHEDULE_LATE',
          `the tick of the schedule ${name} is ${duration(lateSeconds ?? 0)} overdue`,
          'start a process with an executor that registers its type',
        )
      : illness(
          'SCHEDULE_FAILS',
          `the last tick of the schedule ${name} created no task: ${lastError}`,
          'correct its params or its expression where it is declared',
          `npx fastify-async-tasks schedules disable ${name}`,
        ),
  )

export const checkCancels: Check = async ({ db }) => {
  const waiting = await findWaitingCancels(db)
  if (!waiting[0]) return []
  return [
    illness(
      'CANCEL_WAITS',
      `${waiting.length} cancelled tasks have been locked by an open transaction for up to ${duration(waiting[0].seconds)}: ${listed(waiting.map(({ taskId }) => taskId))}`,
      'let the handler commit or roll back its transaction when its signal aborts',
      'end the transaction: select pg_terminate_backend(pid) with the pid from pg_stat_activity',
    ),
  ]
}

/** A day more than the longest interval between two runs, and more than the default retention. */
const PRUNED_DAYS = 1
const OLD_DAYS = 31

export const checkPruning: Check = async ({ db }) => {
  const { oldestDays, prunedDays } = await readPruning(db)
  if ((oldestDays ?? 0) < OLD_DAYS || (prunedDays ?? Number.POSITIVE_INFINITY) < PRUNED_DAYS) return []
  const since = prunedDays === null ? 'never' : `not for ${duration(prunedDays * 86_400)}`
  return [
    illness(
      'PRUNING_STOPPED',
      `the oldest finished task ended ${Math.floor(oldestDays ?? 0)} days ago, and a process has ${since} deleted old tasks`,
      'keep a process with an executor running: it deletes them an hour later at most',
      'npx fastify-async-tasks prune --older-than-days 30',
    ),
  ]
}
