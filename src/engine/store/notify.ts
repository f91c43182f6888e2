import { type Database, execute, statement } from '../../db/database.ts'

/** The one channel of the engine, in each database. */
export const CHANNEL = 'fastify_async_tasks'

const NOTIFY = statement('notify', `select pg_notify('${CHANNEL}', $1)`)

export async function sendNotification(db: Database, payload: string): Promise<void> {
  await execute(db, NOTIFY, [payload])
}
