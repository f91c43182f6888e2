import type pg from 'pg'
import type { Database } from '../../db/database.ts'
import { type ListenerOptions, listen } from '../../db/listener.ts'
import type { Loop } from '../runtime/supervisor.ts'
import { sendNotification } from '../store/notify.ts'
import { type Fleet, wakeUpDelay } from './fleet.ts'
import { decodeNotification } from './notifications.ts'

export function listenForWork(options: {
  readonly db: Database
  readonly connection: pg.ClientConfig
  fleet(): Fleet
  onDue(delayMs: number): void
  /** Others claim tasks that are due. */
  onDueElsewhere(): void
  onDelayed(dueAt: number): void
  onSchedules(deleted: string | undefined): void
  onRescan(): void
  onCancelled(taskId: string, attempt: number): void
  readonly proofs?: ListenerOptions['proofs']
  /** Earlier notifications are lost: due tasks and cancels must be queried. */
  onListening(): Promise<void>
}): Loop {
  const listener = {
    connection: options.connection,
    channel: options.db.schema.channel,
    notify: (payload: string) => sendNotification(options.db, payload),
    onListening: options.onListening,
    ...(options.proofs && { proofs: options.proofs }),
    onMessage(payload: string) {
      const received = decodeNotification(payload)
      switch (received?.kind) {
        case 'due': {
          const delayMs = received.tasks ? wakeUpDelay(options.fleet(), received.tasks) : 0
          return delayMs === undefined ? options.onDueElsewhere() : options.onDue(delayMs)
        }
        case 'later':
          return options.onDelayed(received.dueAt)
        case 'schedules':
          return options.onSchedules(received.deleted)
        case 'rescan':
          return options.onRescan()
        case 'cancelled':
          for (const { taskId, attempt } of received.runs) options.onCancelled(taskId, attempt)
      }
    },
  }
  return (signal, passed) => listen(listener, signal, passed)
}
