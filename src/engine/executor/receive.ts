import type pg from 'pg'
import type { Database } from '../../db/database.ts'
import { type ListenerOptions, listen } from '../../db/listener.ts'
import { wakeUpDelay } from '../notify/fleet.ts'
import { decodeNotification } from '../notify/notifications.ts'
import type { TaskEvents } from '../runtime/events.ts'
import type { Loop } from '../runtime/supervisor.ts'
import type { WakeUp } from '../runtime/wake-up.ts'
import type { Scheduler } from '../schedules/scheduler.ts'
import { sendNotification } from '../store/notify.ts'
import type { Claimer } from './claimer.ts'
import type { DueTimer } from './due-timer.ts'
import type { Heartbeat } from './heartbeat.ts'
import type { Rest } from './rest.ts'

export interface ReceiverOptions {
  /** Where to LISTEN. */
  readonly connection: pg.ClientConfig
  readonly db: Database
  readonly events: TaskEvents
  readonly claimer: Claimer
  readonly heartbeat: Heartbeat
  readonly scheduler: Scheduler
  readonly wakeUp: WakeUp
  readonly dueTimer: DueTimer
  readonly rest: Rest
  wake(): void
  rescan(): void
  abort(taskId: string, attempt: number, cause: 'cancelled'): void
}

/** The loop that receives notifications. Without it, or while its connection is lost, polls find the same later. */
export function receiverLoop(options: ReceiverOptions): Loop {
  const { connection, db, events, heartbeat, scheduler, wakeUp, rest, wake } = options
  const listener: ListenerOptions = {
    connection,
    channel: db.schema.channel,
    proofs: { id: heartbeat.executorId, intervalMs: () => rest.proofIntervalMs },
    notify: (payload) => sendNotification(db, payload),
    onMessage: (payload) => receive(payload, options),
    // Notifications sent before are lost: due tasks and cancels must be queried.
    async onListening() {
      rest.isListening = true
      events.emit('listening', { isListening: true })
      wake()
      scheduler.wake()
      await heartbeat.beatOnce()
    },
  }
  return async (signal, passed) => {
    try {
      await listen(listener, signal, passed)
    } finally {
      rest.isListening = false
      events.emit('listening', { isListening: false })
      // The claim loop may be in the middle of an idle poll interval.
      if (rest.isAllowed) wakeUp.notify()
    }
  }
}

function receive(payload: string, options: ReceiverOptions): void {
  const { claimer, heartbeat, scheduler, wakeUp, dueTimer, rest, rescan, abort } = options
  const received = decodeNotification(payload)
  if (received?.kind === 'due') {
    const delayMs = received.tasks ? wakeUpDelay(heartbeat.fleet, received.tasks) : 0
    if (delayMs !== undefined) wakeUp.notifyAfter(delayMs, () => claimer.recheck())
    // Others claim, and may have no free slot: at rest, too, this executor claims within the poll interval.
    else if (rest.isAllowed) dueTimer.noteElsewhere()
  } else if (received?.kind === 'later') dueTimer.note(received.dueAt)
  else if (received?.kind === 'schedules') scheduler.noteChange(received.deleted)
  else if (received?.kind === 'rescan') rescan()
  else for (const { taskId, attempt } of received?.runs ?? []) abort(taskId, attempt, 'cancelled')
}
