import pg from 'pg'
import { afterEach, beforeEach, onTestFinished } from 'vitest'
import { createDatabase } from '../../../src/db/database.ts'
import { Redaction } from '../../../src/engine/definition/redaction.ts'
import { type FeedBatch, type FeedEvent, TaskFeed } from '../../../src/engine/feed/feed.ts'
import { TaskEvents } from '../../../src/engine/runtime/events.ts'
import { type Engines, useEngines } from '../../support/engines.ts'
import { rememberTypes } from '../../support/remember-types.ts'

export const redaction = new Redaction(['password'], new Map())

interface Watcher {
  readonly engines: Engines
  /** The feed of a process that runs nothing: whatever it knows, it knows from the database. */
  readonly feed: TaskFeed
  /** What that process has sent in this test. */
  readonly statements: readonly string[]
  /** The stream of one task; by default until the test ends. */
  follow: (taskId: string, afterId?: number, signal?: AbortSignal) => ReturnType<TaskFeed['follow']>
  /** A transaction of another process, ended with the test. */
  openTransaction: () => Promise<pg.Client>
}

/** A fresh database for each test, on which another process watches; these types are known there. */
export function useWatcher(...knownTypes: string[]): Watcher {
  const engines = useEngines()
  const statements: string[] = []
  const clients: pg.Client[] = []
  let feed: TaskFeed
  beforeEach(async () => {
    await rememberTypes(engines.database.pool, ...knownTypes)
    const db = createDatabase(engines.database.pool, {
      prepared: engines.database.prepared,
      schema: engines.database.schema,
    })
    statements.length = 0
    const query = db.pool.query.bind(db.pool)
    const counted = new Proxy(db.pool, {
      get(pool, key) {
        if (key !== 'query') return Reflect.get(pool, key)
        return (statement: { text: string }) => {
          statements.push(statement.text)
          return query(statement)
        }
      },
    })
    feed = new TaskFeed({ ...db, pool: counted }, new TaskEvents(), redaction)
  })
  afterEach(async () => {
    feed.close()
    await Promise.all(clients.splice(0).map((client) => client.end()))
  })
  return {
    engines,
    get feed() {
      return feed
    },
    statements,
    follow: (taskId, afterId = 0, signal = leaving().signal) =>
      feed.follow(taskId, { afterId, signal, idleMs: 60_000 }),
    async openTransaction() {
      const client = new pg.Client({ connectionString: engines.database.url })
      await client.connect()
      clients.push(client)
      await client.query('begin')
      return client
    },
  }
}

/** Of a viewer that leaves when the test ends. */
export function leaving(): AbortController {
  const controller = new AbortController()
  onTestFinished(() => controller.abort())
  return controller
}

export async function* eventsOf(steps: AsyncIterable<FeedBatch>): AsyncGenerator<FeedEvent> {
  for await (const step of steps) yield* step
}

/** The messages of a stream up to this one. */
export async function messagesUntil(events: AsyncIterator<FeedEvent>, last: string): Promise<string[]> {
  const messages: string[] = []
  while (messages.at(-1) !== last) {
    const { value, done } = await events.next()
    if (done) throw new Error(`ended after: ${messages.join(', ')}`)
    if (value.type === 'log') messages.push(value.line.message)
  }
  return messages
}

export async function insertLine(
  client: pg.ClientBase | pg.Pool,
  taskId: string,
  message: string,
): Promise<void> {
  const text = `insert into async_task_logs (task_id, level, message) values ($1, 'INFO', $2)`
  await client.query(text, [taskId, message])
}
