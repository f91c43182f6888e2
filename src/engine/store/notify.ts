import { randomInt } from 'node:crypto'
import { type Database, execute, statement } from '../../db/database.ts'

export const CHANNEL = 'fastify_async_tasks'

/** A notification of more tasks wakes every executor. */
const MAX_COUNT = 1_000_000

const NOTIFY = statement('notify', `select pg_notify('${CHANNEL}', $1)`)

export async function sendNotification(db: Database, payload: string): Promise<void> {
  await execute(db, NOTIFY, [payload])
}

/** With the count, and a random number that selects the executors that claim. @param count Infinity: unknown */
export function duePayload(count: number): string {
  return count > MAX_COUNT ? 'due' : `due ${count} ${randomInt(MAX_COUNT)}`
}
