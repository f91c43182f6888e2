import { setTimeout as delay } from 'node:timers/promises'
import Bottleneck from 'bottleneck'
import { z } from 'zod'
import { PermanentError } from '../../engine/definition/errors.ts'
import type { SourceCall } from './source.ts'
import { classifyRefusal, classifyStatus, ThrottledError, TransportError } from './tushare-errors.ts'

export interface TushareOptions {
  token: string
  /** Default `https://api.tushare.pro`. */
  url?: string
  /** Requests a minute, over all tasks. More than the account allows costs waits of a minute. Default 200. */
  requestsPerMinute?: number
  /** Milliseconds until a request without a response counts as failed. Default 30,000. */
  requestTimeoutMs?: number
  /** Waits, and rejects with the signal's reason when it aborts. For tests. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>
  /** 0 … 1, for jitter. For tests. */
  random?: () => number
}

/** A value of a cell: Tushare mixes numbers and text between interfaces and over time. */
export type Cell = string | number | null
/** One row, by column name. */
export type TushareRow = Readonly<Record<string, Cell>>

/** A question to one interface. */
export interface TushareQuery {
  readonly api: string
  readonly params?: Readonly<Record<string, string>>
  readonly fields: readonly string[]
  /** Rows of one response at most; the interface's own limit. */
  readonly pageSize: number
}

/** Several times the largest response there is: a server that sends new rows without end must not fill the memory. */
const MAX_ROWS = 100_000
const RETRY_DELAYS_MS = [1_000, 2_000, 4_000]
/** The allowance is counted by the minute. */
const THROTTLE_DELAY_MS = 60_000
/** A source that is still throttled after so many minutes is used by somebody else too. */
const MAX_THROTTLE_WAITS = 10

const envelope = z.object({
  code: z.number(),
  msg: z.string().nullish(),
  data: z
    .object({
      fields: z.array(z.string()),
      items: z.array(z.array(z.union([z.string(), z.number(), z.null()]))),
      has_more: z.boolean().nullish(),
    })
    .nullish(),
})
type Page = NonNullable<z.output<typeof envelope>['data']>

/**
 * Asks Tushare, for all tasks of the process: one rate limit, paging, and the repetition of requests that failed
 * on their way. What Tushare itself refuses is not repeated, but for the throttle, which is waited out.
 * No error and no log carries the token.
 */
export class TushareClient {
  readonly #options: Required<TushareOptions>
  readonly #limiter: Bottleneck

  constructor(options: TushareOptions) {
    this.#options = {
      url: 'https://api.tushare.pro',
      requestsPerMinute: 200,
      requestTimeoutMs: 30_000,
      wait: async (ms, signal) => {
        await delay(ms, undefined, { signal, ref: true })
      },
      random: Math.random,
      ...options,
    }
    const perMinute = this.#options.requestsPerMinute
    // A bucket, not a fixed distance: a task of a few requests need not wait at all.
    this.#limiter = new Bottleneck({
      reservoir: perMinute,
      reservoirRefreshAmount: perMinute,
      reservoirRefreshInterval: 60_000,
      maxConcurrent: 4,
    })
  }

  /** All rows of the question, page by page. */
  async query(question: TushareQuery, call: SourceCall): Promise<TushareRow[]> {
    const rows: TushareRow[] = []
    const seen = new Set<string>()
    for (;;) {
      const page = await this.#requestPage(question, rows.length, call)
      const known = seen.size
      for (const item of page.items) seen.add(JSON.stringify(item))
      if (page.items.length > 0 && seen.size === known) {
        throw new PermanentError(
          `tushare ${question.api}: the page at offset ${rows.length} repeats earlier rows; TUSHARE_URL ignores offsets`,
        )
      }
      if (rows.length + page.items.length > MAX_ROWS) {
        throw new PermanentError(
          `tushare ${question.api}: more than ${MAX_ROWS} rows; TUSHARE_URL does not end its answers`,
        )
      }
      rows.push(...toRows(question, page))
      // Some mirrors leave has_more out: then only a full page can have a next one. A short page that claims there is
      // more goes on from the rows that came, not from those that were asked for.
      const more = page.has_more ?? page.items.length >= question.pageSize
      if (!more) return rows
      if (page.items.length === 0) {
        throw new TransportError(`tushare ${question.api}: an empty page claims that there is more`)
      }
    }
  }

  async #requestPage(question: TushareQuery, offset: number, call: SourceCall): Promise<Page> {
    const { signal } = call
    let retries = 0
    let throttled = 0
    for (;;) {
      try {
        return await this.#limited(() => this.#send(question, offset, signal), signal)
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof ThrottledError && throttled < MAX_THROTTLE_WAITS) {
          throttled += 1
          call.note(`${error.message}; waiting for the next minute`)
          await this.#pause(THROTTLE_DELAY_MS, signal)
          continue
        }
        const backoff = RETRY_DELAYS_MS[retries]
        if (!(error instanceof TransportError) || backoff === undefined) throw error
        retries += 1
        call.note(`${error.message}; trying again in ${backoff / 1_000} s`)
        await this.#pause(backoff, signal)
      }
    }
  }

  /** Jitter keeps tasks that failed together from coming back together. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.wait(ms * (1 + this.#options.random() / 2), signal)
    } catch (error) {
      // A timer's own AbortError is less clear than the reason.
      signal.throwIfAborted()
      throw error
    }
  }

  /** A queued request cannot be taken out of the limiter: the caller leaves, and its turn does nothing. */
  #limited<T>(send: () => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const leave = () => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    this.#limiter
      .schedule(() => {
        signal.throwIfAborted()
        return send()
      })
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', leave))
    return promise
  }

  async #send(question: TushareQuery, offset: number, signal: AbortSignal): Promise<Page> {
    const { api, params, fields, pageSize } = question
    const body = JSON.stringify({
      api_name: api,
      token: this.#options.token,
      params: { ...params, limit: pageSize, offset },
      fields: fields.join(','),
    })
    const response = envelope.safeParse(await this.#post(api, body, signal))
    if (!response.success) throw new TransportError(`tushare ${api}: the response is not in Tushare's form`)
    const { code, msg, data } = response.data
    if (code !== 0) throw classifyRefusal(api, code, this.#withoutToken(msg ?? ''))
    if (!data) throw new TransportError(`tushare ${api}: the response has no data`)
    return data
  }

  async #post(api: string, body: string, signal: AbortSignal): Promise<unknown> {
    const { url, requestTimeoutMs } = this.#options
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        // The body has the token: no other origin may get it.
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]),
      })
      const text = await response.text()
      if (response.status >= 300 && response.status < 400) throw redirected(api, url, response)
      if (!response.ok) throw classifyStatus(api, response.status)
      return JSON.parse(text)
    } catch (error) {
      signal.throwIfAborted()
      throw this.#describeFailure(api, error)
    }
  }

  #describeFailure(api: string, error: unknown): unknown {
    if (error instanceof SyntaxError) return new TransportError(`tushare ${api}: the response is not JSON`)
    if (error instanceof DOMException && error.name === 'TimeoutError') {
      return new TransportError(`tushare ${api}: no response within ${this.#options.requestTimeoutMs} ms`)
    }
    // fetch throws a TypeError for a broken connection. Its text may contain the URL, the text of its cause does not.
    if (error instanceof TypeError) return new TransportError(`tushare ${api}: ${describeCause(error.cause)}`)
    return error
  }

  #withoutToken(text: string): string {
    const { token } = this.#options
    return token === '' ? text : text.replaceAll(token, '***')
  }
}

function redirected(api: string, url: string, response: Response): PermanentError {
  const target = response.headers.get('location') ?? ''
  const origin = URL.canParse(target, url) ? new URL(target, url).origin : 'an unreadable address'
  return new PermanentError(
    `tushare ${api}: HTTP ${response.status}, a redirect to ${origin}, is not followed; check TUSHARE_URL`,
  )
}

function describeCause(cause: unknown): string {
  if (!(cause instanceof Error)) return 'the request could not be made'
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message
}

/** Columns go by the names in the response: their order is Tushare's own. */
function toRows(question: TushareQuery, page: Page): TushareRow[] {
  const missing = question.fields.filter((field) => !page.fields.includes(field))
  if (missing.length > 0) {
    throw new TransportError(`tushare ${question.api}: the response lacks ${missing.join(', ')}`)
  }
  return page.items.map((item) =>
    Object.fromEntries(page.fields.map((field, index) => [field, item[index] ?? null])),
  )
}
