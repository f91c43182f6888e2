import type pg from 'pg'
import type { Database } from '../../db/database.ts'
import { listen } from '../../db/listener.ts'
import type { Loop } from '../runtime/supervisor.ts'
import { CHANNEL, sendNotification } from '../store/notify.ts'
import { type Fleet, wakeUpDelay } from './fleet.ts'
import { decodeNotification } from './notifications.ts'

/** A loop that listens for notifications of other processes and calls back. */
export function listenForWork(options: {
  readonly db: Database
  readonly connection: pg.ClientConfig
  /** As this executor knows it now. */
  fleet(): Fleet
  /** Tasks are due, and this executor is to claim some after so many milliseconds. */
  onDue(delayMs: number): void
  /** `deleted`: the schedule of this name was. */
  onSchedules(deleted: string | undefined): void
  /** Tasks of a type that was paused may be due since long. */
  onResumed(): void
  onCancelled(taskId: string, attempt: number): void
  /** Hints that were sent while nobody listened are lost: due tasks and cancels must be looked up. */
  onListening(): Promise<void>
}): Loop {
  const listener = {
    connection: options.connection,
    channel: CHANNEL,
    notify: (payload: string) => sendNotification(options.db, payload),
    onListening: options.onListening,
    onMessage(payload: string) {
      const heard = decodeNotification(payload)
      if (heard?.kind === 'due') {
        const delayMs = heard.tasks ? wakeUpDelay(options.fleet(), heard.tasks) : 0
        if (delayMs !== undefined) options.onDue(delayMs)
      }
      if (heard?.kind === 'schedules') options.onSchedules(heard.deleted)
      if (heard?.kind === 'cancelled') {
        for (const { taskId, attempt } of heard.runs) options.onCancelled(taskId, attempt)
      }
      if (heard?.kind === 'resumed') options.onResumed()
    },
  }
  return (signal, passed) => listen(listener, signal, passed)
}
