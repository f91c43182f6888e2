import type pg from 'pg'
import { connect } from './client.ts'
import { isResponseTimeout, responseTimeout } from './errors.ts'
import type { Transaction } from './query-runner.ts'

/** A Drizzle database on node-postgres, with any schema. */
export interface DrizzleDatabase {
  /** Opens a transaction, and commits it when the work has resolved. */
  // biome-ignore lint/suspicious/noExplicitAny: the transaction's type is contravariant; only `any` accepts each schema
  transaction(work: (tx: any) => Promise<any>): Promise<any>
}

/**
 * Runs `work` in a transaction of Drizzle, which sends begin, commit and rollback without a limit, and leaks the connection
 * if begin fails (0.45). A connection without a response is destroyed, which ends what waits for it.
 */
export async function transactOverPool(
  database: DrizzleDatabase,
  { session, pool }: { session: object; pool: pg.Pool },
  work: (tx: Transaction) => Promise<void>,
  responseTimeoutMs: number,
): Promise<void> {
  const connection = new WatchedConnection(pool, responseTimeoutMs)
  let thrown: { error: unknown } | undefined
  try {
    const taken = Object.create(session, { client: { value: connection.pool } })
    await (Object.create(database, { session: { value: taken } }) as DrizzleDatabase).transaction(
      async (tx) => {
        connection.hasResponded()
        try {
          await work(tx)
        } catch (error) {
          thrown = { error }
          if (isResponseTimeout(error)) connection.destroy()
          throw error
        } finally {
          connection.awaitResponse()
        }
      },
    )
  } catch (error) {
    // Another error is that of the rollback.
    if (thrown && error !== thrown.error) connection.isBroken = true
    if (thrown) throw thrown.error
    throw connection.isSilent ? responseTimeout() : error
  } finally {
    connection.release()
  }
}

/** The connection that Drizzle takes from a pool. Not taken, if the host's own `transaction` uses another one. */
class WatchedConnection {
  /** The pool as Drizzle sees it. */
  readonly pool: pg.Pool
  isSilent = false
  /** Its state is unknown. */
  isBroken = false
  readonly #limitMs: number
  #client: pg.PoolClient | undefined
  #release: pg.PoolClient['release'] = () => {}
  #timer: NodeJS.Timeout | undefined

  constructor(pool: pg.Pool, limitMs: number) {
    this.#limitMs = limitMs
    this.pool = Object.create(pool, { connect: { value: () => this.#connect(pool) } })
  }

  async #connect(pool: pg.Pool): Promise<pg.PoolClient> {
    const client = await connect(pool)
    this.#client = client
    this.#release = client.release
    client.release = (error) => {
      this.isBroken ||= Boolean(error)
    }
    this.awaitResponse()
    return client
  }

  awaitResponse(): void {
    if (!this.#client) return
    this.#timer = setTimeout(() => {
      this.isSilent = true
      this.destroy()
    }, this.#limitMs)
  }

  hasResponded(): void {
    clearTimeout(this.#timer)
  }

  destroy(): void {
    this.isBroken = true
    void this.#client?.end()
  }

  release(): void {
    clearTimeout(this.#timer)
    this.#release(this.isBroken)
  }
}
