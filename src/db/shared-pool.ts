import type pg from 'pg'
import { TaskError } from '../engine/definition/errors.ts'

/** A pool of which no connection comes free for so long is held by handlers that may be waiting for the engine. */
const PATIENCE_MS = 100

/** A pool of the host's, as the engine uses it beside handlers and routes that hold its connections. */
export interface SharedPool {
  /** Its connections, and the spare ones where none of it comes free. */
  readonly pool: pg.Pool
  /** That all of its connections are held, in words; undefined where they are not. */
  findShortage(): string | undefined
}

/**
 * The engine's statements on a pool that others empty: a handler that holds a connection and creates a task would wait
 * for itself. Where none comes free in a moment, a statement takes one of the few of `spare`, which opens them then. No
 * wait is longer than `limitMs`, whatever the host's pool allows; a connection that arrives later is released.
 */
export function sharePool(pool: pg.Pool, spare: pg.Pool, limitMs: number): SharedPool {
  const lender = new Lender(pool, spare, limitMs)
  return {
    pool: Object.create(pool, {
      connect: { value: () => lender.connect() },
      query: { value: (config: pg.QueryConfig) => lender.query(config) },
    }),
    findShortage: () => lender.findShortage(),
  }
}

class Lender {
  readonly #pool: pg.Pool
  readonly #spare: pg.Pool
  readonly #limitMs: number
  /** Requests that were given up and stand in the pool's queue still: none of its connections has come free since. */
  #givenUp = 0
  #heldSince = 0

  constructor(pool: pg.Pool, spare: pg.Pool, limitMs: number) {
    this.#pool = pool
    this.#spare = spare
    this.#limitMs = limitMs
  }

  findShortage(): string | undefined {
    if (this.#givenUp === 0 || !this.#isEmpty) return undefined
    const seconds = Math.round((performance.now() - this.#heldSince) / 1_000)
    return `all ${this.#pool.options.max} connections of the pool have been held for ${seconds} s: handlers or routes wait for one another, or the pool is too small`
  }

  async query(config: pg.QueryConfig): Promise<pg.QueryResult> {
    if (this.#pool.idleCount > 0) return this.#pool.query(config)
    const client = await this.connect()
    // The query under way rejects when the connection breaks; without a listener the event ends the process.
    const ignore = () => {}
    client.on('error', ignore)
    let broken: Error | undefined
    try {
      return await client.query(config)
    } catch (error) {
      broken = error as Error
      throw error
    } finally {
      client.off('error', ignore)
      client.release(broken)
    }
  }

  async connect(): Promise<pg.PoolClient> {
    if (!this.#isEmpty) return (await this.#ask(this.#limitMs)) ?? this.#refuse()
    const client = this.#givenUp > 0 ? undefined : await this.#ask(PATIENCE_MS)
    return client ?? this.#takeSpare()
  }

  get #isEmpty(): boolean {
    return this.#pool.idleCount === 0 && this.#pool.totalCount >= this.#pool.options.max
  }

  /** Undefined where none came in time. */
  async #ask(withinMs: number): Promise<pg.PoolClient | undefined> {
    const asked = this.#pool.connect()
    const late = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => late.resolve(undefined), withinMs)
    const client = await Promise.race([asked, late.promise]).finally(() => clearTimeout(timer))
    if (!client) this.#giveUp(asked)
    return client
  }

  #giveUp(asked: Promise<pg.PoolClient>): void {
    if (this.#givenUp === 0) this.#heldSince = performance.now() - PATIENCE_MS
    this.#givenUp += 1
    asked
      .then((client) => client.release())
      // Of what went wrong the statement that is sent instead tells.
      .catch(() => {})
      .finally(() => {
        this.#givenUp -= 1
      })
  }

  async #takeSpare(): Promise<pg.PoolClient> {
    const isEmpty = this.#spare.idleCount === 0 && this.#spare.totalCount >= this.#spare.options.max
    try {
      return await this.#spare.connect()
    } catch (error) {
      if (isEmpty) this.#refuse(error)
      throw error
    }
  }

  #refuse(cause?: unknown): never {
    const all = `all ${this.#pool.options.max} of the pool and ${this.#spare.options.max} of the engine's own are in use`
    const detail = this.#isEmpty ? all : 'the database has not accepted another one'
    throw new TaskError('NO_CONNECTION', `no connection in ${this.#limitMs / 1_000} s: ${detail}`, { cause })
  }
}
