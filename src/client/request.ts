import type { Problem } from '../contract/problem.ts'
import { checkOptions } from './check-options.ts'
import { invalidResponse, TasksApiError } from './errors.ts'
import { Deadline, untilAborted } from './patience.ts'

/** The largest response that is read by default: several times the largest task with its result. */
const MAX_RESPONSE_BYTES = 32 * 1_048_576
/** Of a poll: short, so that a network that swallows requests is noticed soon. */
export const POLL_TIMEOUT_MS = 8_000
const TIMEOUT_MS = 30_000
/** Of a page that is no problem details, such as a proxy's, this much is quoted. */
const QUOTED_CHARS = 200

type Provided<T> = T | (() => T | Promise<T>)

/** Options of `createTasksClient`. */
export interface TasksClientOptions {
  /**
   * URL of the REST routes, such as `https://example.com/api/admin`. In a browser, a path such as `/api/admin` refers to
   * the page's own origin.
   */
  baseUrl: string
  /** Sent as `Authorization: Bearer …`; a function is called before each request. Default: none. */
  token?: Provided<string | undefined> | undefined
  /** Headers of every request, in place of the client's own; a function is called before each request. Default: none. */
  headers?: Provided<Record<string, string>>
  /** Whether cookies are sent, as in `fetch`. Default `same-origin`. */
  credentials?: 'omit' | 'same-origin' | 'include'
  /** The `fetch` to use. Default: the global one. */
  fetch?: typeof globalThis.fetch
  /** Larger responses fail with `RESPONSE_TOO_LARGE`. Default 32 MiB. */
  maxResponseBytes?: number
  /** Milliseconds after which a call without a complete response fails with `NETWORK_ERROR`. Default 30,000. */
  timeoutMs?: number
}

/** Options of a call. */
export interface CallOptions {
  /** Aborts the call, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

export interface RequestOptions extends CallOptions {
  query?: object | undefined
  body?: object | undefined
  headers?: Record<string, string>
  timeoutMs?: number
}

const CLIENT_OPTIONS: (keyof TasksClientOptions)[] = [
  'baseUrl',
  'token',
  'headers',
  'credentials',
  'fetch',
  'maxResponseBytes',
  'timeoutMs',
]
const CALL_OPTIONS: (keyof RequestOptions)[] = ['signal', 'query', 'body', 'headers', 'timeoutMs']

/** Sends requests, and throws a `TasksApiError` for every response that is not the expected one. */
export class Requester {
  readonly #options: TasksClientOptions
  readonly #baseUrl: string
  readonly maxBytes: number

  constructor(options: TasksClientOptions) {
    checkOptions('createTasksClient', options, CLIENT_OPTIONS)
    if (typeof options?.baseUrl !== 'string') {
      throw new TypeError("createTasksClient: baseUrl must be a string such as '/api/admin'")
    }
    this.#options = options
    this.#baseUrl = options.baseUrl.replace(/\/+$/, '')
    this.maxBytes = options.maxResponseBytes ?? MAX_RESPONSE_BYTES
  }

  /** The response's JSON; undefined where none is expected. */
  async json(method: string, path: string, options: RequestOptions = {}): Promise<unknown> {
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs ?? TIMEOUT_MS
    const deadline = new Deadline(timeoutMs, options.signal)
    try {
      const request = this.#json(method, path, { ...options, signal: deadline.signal })
      return await untilAborted(request, deadline.signal)
    } catch (error) {
      options.signal?.throwIfAborted()
      throw deadline.signal.aborted ? toNetworkError(deadline.signal.reason) : error
    } finally {
      deadline.clear()
    }
  }

  async #json(method: string, path: string, options: RequestOptions): Promise<unknown> {
    const response = await this.open(method, path, options)
    if (response.status === 204) return undefined
    const text = await this.#read(response, options.signal)
    try {
      return JSON.parse(text)
    } catch (cause) {
      const type = response.headers.get('content-type') ?? 'nothing'
      throw invalidResponse(`expected JSON, got ${type}: ${quote(text)}`, cause, response.status)
    }
  }

  /** A successful response whose body has not been read. */
  async open(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    checkOptions('the call', options, CALL_OPTIONS)
    const { query, body, signal } = options
    const response = await this.#send(`${this.#baseUrl}${path}${toSearch(query)}`, {
      method,
      headers: await this.#headers(options),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(this.#options.credentials ? { credentials: this.#options.credentials } : {}),
      ...(signal ? { signal } : {}),
    })
    // Of a fetch that heeds no signal.
    if (signal?.aborted) response.body?.cancel().catch(() => {})
    signal?.throwIfAborted()
    if (response.ok) return response
    throw refusal(response, await this.#read(response, signal))
  }

  async #headers({ body, headers }: RequestOptions): Promise<Record<string, string>> {
    const [token, common] = await Promise.all([provide(this.#options.token), provide(this.#options.headers)])
    return {
      accept: 'application/json, application/problem+json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      // Storages of browsers return null for what is not there.
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...inLowerCase(common),
      ...headers,
    }
  }

  async #send(url: string, init: RequestInit): Promise<Response> {
    // Read at each call: a test may replace the global one later.
    const send = this.#options.fetch ?? globalThis.fetch
    try {
      return await send(url, init)
    } catch (cause) {
      throw toNetworkError(cause, init.signal)
    }
  }

  async #read(response: Response, signal: AbortSignal | undefined): Promise<string> {
    if (!response.body) return this.#readWhole(response)
    const decoder = new TextDecoder()
    let text = ''
    let bytes = 0
    try {
      for await (const chunk of readChunks(response, signal)) {
        bytes += chunk.byteLength
        if (bytes > this.maxBytes) throw tooLarge(response.status, this.maxBytes)
        text += decoder.decode(chunk, { stream: true })
      }
    } catch (cause) {
      throw cause instanceof TasksApiError ? cause : toNetworkError(cause, signal)
    }
    return text + decoder.decode()
  }

  /** Where bodies cannot be read in parts, as in React Native. */
  async #readWhole(response: Response): Promise<string> {
    const text = await response.text()
    if (text.length > this.maxBytes) throw tooLarge(response.status, this.maxBytes)
    return text
  }
}

/** The body's chunks; a caller that stops early cancels the rest. Not every browser iterates over bodies by itself. */
export async function* readChunks(
  response: Response,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader()
  if (!reader) return
  try {
    for (;;) {
      const { done, value } = await untilAborted(reader.read(), signal)
      if (done) return
      yield value
    }
  } finally {
    // Of a body that broke, or was aborted, there is nothing left to give up.
    reader.cancel().catch(() => {})
  }
}

/** `fetch` joins the values of names that differ in case alone. */
function inLowerCase(headers: Record<string, string> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]))
}

export function toNetworkError(cause: unknown, signal?: AbortSignal | null): unknown {
  if (signal?.aborted) return signal.reason
  return new TasksApiError(`request failed: ${describe(cause)}`, { status: 0, code: 'NETWORK_ERROR', cause })
}

/** The message of `fetch` is "fetch failed", the reason is in the error's cause; with several addresses only a code is there. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  const why = cause instanceof Error ? cause.message || (cause as { code?: unknown }).code : undefined
  return why ? `${error.message}: ${why}` : error.message
}

export function tooLarge(status: number, maxBytes: number): TasksApiError {
  return new TasksApiError(`the response is larger than ${maxBytes} bytes`, {
    status,
    code: 'RESPONSE_TOO_LARGE',
  })
}

/** What a server, or something on the way to it, refused with. */
function refusal(response: Response, text: string): TasksApiError {
  const { status } = response
  const retryAfterSeconds = toSeconds(response.headers.get('retry-after'))
  const problem = parseProblem(text)
  if (problem) return new TasksApiError(problem.detail, { ...problem, status, retryAfterSeconds })
  const message = `answered with ${status} and no problem details: ${quote(text)}`
  return new TasksApiError(message, { status, code: 'UNEXPECTED_STATUS', retryAfterSeconds })
}

/** `Retry-After`: seconds, or a date. */
function toSeconds(header: string | null): number | undefined {
  if (header === null || header.trim() === '') return undefined
  const seconds = /^\s*\d+\s*$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1_000
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined
}

/** Undefined for what is none, such as the page of a proxy. */
function parseProblem(text: string): Pick<Problem, 'code' | 'detail' | 'errors'> | undefined {
  try {
    const { code, detail, errors } = JSON.parse(text) as Partial<Problem>
    if (typeof code !== 'string' || typeof detail !== 'string') return undefined
    return { code, detail, errors: Array.isArray(errors) ? errors : undefined }
  } catch {
    return undefined
  }
}

function quote(text: string): string {
  const plain = text.replace(/\s+/g, ' ').trim()
  if (plain === '') return 'an empty body'
  return plain.length > QUOTED_CHARS ? `${plain.slice(0, QUOTED_CHARS)}…` : plain
}

export function toSearch(query: object | undefined): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of [value].flat()) {
      if (one !== undefined) search.append(name, one instanceof Date ? one.toISOString() : String(one))
    }
  }
  const text = search.toString()
  return text === '' ? '' : `?${text}`
}

function provide<T>(provided: Provided<T>): T | Promise<T> {
  // A type parameter might itself be a function type; of these options none is.
  return typeof provided === 'function' ? (provided as () => T | Promise<T>)() : provided
}
