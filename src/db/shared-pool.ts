import type pg from 'pg'
import { TaskError } from '../engine/definition/errors.ts'
import { within } from '../engine/runtime/timeouts.ts'
import { surviveBrokenConnections } from './client.ts'

/** After this time without a free connection, handlers that wait for the engine may hold the pool. */
const PATIENCE_MS = 100

/** A host's pool, shared with handlers and routes that hold its connections. */
export interface SharedPool {
  /** The host's connections, and spare ones while none is free. */
  readonly pool: pg.Pool
  /** Why no connection is free; undefined: one is. */
  findShortage(): string | undefined
}

/**
 * Runs the engine's statements on a host's pool. A handler that holds a connection and creates a task would wait for
 * itself: when none comes free soon, the statement uses `spare`. No wait exceeds `limitMs`; a connection that arrives
 * later is released.
 */
export function sharePool(pool: pg.Pool, spare: pg.Pool, limitMs: number): SharedPool {
  surviveBrokenConnections(pool)
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
  /** Requests that were given up but are still in the pool's queue. */
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
    let broken: Error | undefined
    try {
      return await client.query(config)
    } catch (error) {
      broken = error as Error
      throw error
    } finally {
      client.release(broken)
    }
  }

  async connect(): Promise<pg.PoolClient> {
    if (!this.#isEmpty) return (await this.#acquire(this.#limitMs)) ?? this.#refuse()
    const client = this.#givenUp > 0 ? undefined : await this.#acquire(PATIENCE_MS)
    return client ?? this.#takeSpare()
  }

  get #isEmpty(): boolean {
    return this.#pool.idleCount === 0 && this.#pool.totalCount >= this.#pool.options.max
  }

  /** Undefined: none came in time. */
  async #acquire(withinMs: number): Promise<pg.PoolClient | undefined> {
    const asked = this.#pool.connect()
    const client = await within(withinMs, asked)
    if (!client) this.#giveUp(asked)
    return client
  }

  #giveUp(asked: Promise<pg.PoolClient>): void {
    if (this.#givenUp === 0) this.#heldSince = performance.now() - PATIENCE_MS
    this.#givenUp += 1
    asked
      .then((client) => client.release())
      // The statement on the spare connection reports the error.
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
