import { isOutage } from '../db/errors.ts'
import type { RunEvent, TaskEvents } from '../engine/runtime/events.ts'
import { described } from './described.ts'
import type { Logger } from './logger.ts'
import { OutageLog } from './outage.ts'

const LEVELS = { DEBUG: 'debug', INFO: 'info', WARNING: 'warn', ERROR: 'error' } as const

const run = ({ taskId, taskType, attempt }: RunEvent) => ({ taskId, taskType, attempt })

/** Words all log lines of the engine. */
export function logTaskEvents(
  events: TaskEvents,
  log: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>,
): void {
  events.on('started', (event) => log.debug(run(event), 'task started'))
  logEnds(events, log)
  events.on('logged', ({ level, message, data, ...event }) =>
    log[LEVELS[level]]({ ...run(event), data }, message),
  )
  events.on('threw', ({ error, ...event }) =>
    log.debug({ ...run(event), ...described(error) }, 'handler threw'),
  )
  events.on('retryPolicyFailed', ({ error, ...event }) =>
    log.warn({ ...run(event), ...described(error) }, 'the retry policy failed and the default applied'),
  )
  logAudit(events, log)
  events.on('cancelled', ({ isCounted: _isCounted, wasPending: _wasPending, ...event }) =>
    log.info(event, 'task cancelled'),
  )
  events.on('changed', ({ taskId, taskType, isReplaced = false }) => {
    if (isReplaced) log.debug({ taskId, taskType }, 'waiting task replaced')
    else log.info({ taskId, taskType }, 'waiting task changed')
  })
  events.on('cancelRequested', (event) => log.info(event, 'cancel requested; a transaction holds the task'))
  events.on('late', ({ what, ...event }) => log.warn({ ...run(event), what }, 'a late write changed nothing'))
  events.on('stuck', ({ forMs, ...event }) =>
    log.error({ ...run(event), forMs }, 'handler ignores its signal and keeps its slot'),
  )
  events.on('lateThreadError', ({ error }) =>
    log.error(described(error), 'a thread died of an error thrown after its handler had returned'),
  )
  events.on('logsDropped', (event) => log.warn(event, 'task log lines dropped: the buffer is full'))
  events.on('rescued', ({ tasks }) => log.warn({ tasks }, 'tasks of a dead executor were rescued'))
  events.on('orphansReleased', (event) =>
    log.warn(event, 'orphaned claims released: their response was lost'),
  )
  events.on('unknownTypeFailed', (event) =>
    log.error(event, 'task failed: no executor has registered its type'),
  )
  events.on('schedulesChanged', (event) => log.info(event, 'schedule changed'))
  events.on('ticked', ({ schedule, ticks, taskIds }) =>
    log.debug(
      { schedule, tick: ticks.at(-1), taskId: taskIds.at(-1), tasks: taskIds.length },
      'schedule ticked',
    ),
  )
  events.on('tickFailed', ({ schedule, tick, error }) =>
    log.error({ schedule, tick, ...described(error) }, 'a tick of a schedule created no task'),
  )
  events.on('ticksSkipped', (event) => log.warn(event, 'missed ticks of a schedule skipped'))
  events.on('pruned', (event) => log.info(event, 'tasks past their retention were removed'))
  logListeners(events, log)
  logTroubles(events, log)
  events.on('writeFailed', ({ what, error }) =>
    log.error({ what, ...described(error) }, 'write failed permanently'),
  )
}

function logEnds(events: TaskEvents, log: Pick<Logger, 'info' | 'warn' | 'error'>): void {
  events.on('ended', (event) => {
    const { outcome, durationMs, error, retryInMs, wakesInMs } = event
    const fields = { ...run(event), outcome, durationMs: Math.round(durationMs), error, retryInMs, wakesInMs }
    if (outcome === 'completed') log.info(fields, 'task completed')
    else if (outcome === 'interrupted') log.info(fields, 'task interrupted and released')
    else if (outcome === 'sleeping') log.info(fields, 'task sleeps')
    else if (retryInMs !== undefined) log.warn(fields, 'task attempt failed and will be retried')
    else log.error(fields, 'task failed')
  })
}

/** A line for each change, not for each task. */
function logAudit(events: TaskEvents, log: Pick<Logger, 'info'>): void {
  events.on('audited', ({ actor, action, results }) => {
    const { id: userId, requestId, address } = actor
    const who = { userId, ...(requestId && { reqId: requestId }), ...(address && { address }) }
    for (const [outcome, group] of Map.groupBy(results, (result) => result.outcome)) {
      const what = group.length === 1 ? { subject: group[0]?.subject } : { count: group.length }
      log.info({ audit: true, ...who, action, outcome, ...what }, 'change audited')
    }
  })
}

function logListeners(events: TaskEvents, log: Pick<Logger, 'error'>): void {
  events.on('listenerFailed', ({ event, error }) =>
    log.error({ event, ...described(error) }, 'a listener of an event of the engine failed'),
  )
  events.on('hostListenerFailed', ({ event, error }) =>
    log.error({ event, ...described(error) }, 'a listener of app.tasks.on() failed'),
  )
}

/** One outage of the database is one pair of lines; other failures are logged one by one. */
function logTroubles(events: TaskEvents, log: Pick<Logger, 'info' | 'warn' | 'error'>): void {
  events.on('clockJumped', ({ byMs, behindMs }) => {
    const fields = { byMs: Math.round(byMs), behindMs: Math.round(behindMs) }
    if (behindMs === 0) log.warn(fields, "the database's clock went forward, or this machine slept")
    else log.warn(fields, "the database's clock went back: what was due by its earlier time waits")
  })
  const outage = new OutageLog({
    began: (error) =>
      log.error(described(error), 'the database is unreachable; handlers continue, writes wait'),
    ended: (ms) => log.info({ forMs: Math.round(ms) }, 'the database is back'),
  })
  events.on('loopFailed', ({ loop, error }) => {
    // Its connection may break alone; other loops report an outage.
    if (loop === 'listener')
      log.warn(described(error), 'notifications of other processes are not received; polling continues')
    else if (isOutage(error)) outage.met(loop, error)
    else log.error({ loop, ...described(error) }, 'loop failed and is restarted')
  })
  events.on('loopRecovered', ({ loop, failures }) => {
    if (loop === 'listener') log.info('notifications of other processes are received again')
    else if (!outage.overcome(loop)) log.info({ loop, failures }, 'loop recovered')
  })
  events.on('writeDelayed', ({ write, what, error }) => {
    if (isOutage(error)) outage.met(write, error)
    else log.warn({ what, ...described(error) }, 'write failed and is retried')
  })
  events.on('writeEnded', ({ write, as }) => {
    if (as === 'given up') outage.giveUp(write)
    else outage.overcome(write)
  })
}
