import { types } from 'node:util'

/** Reads thrown values of any kind (throwing getters, proxies, other realms) as plain data. Never throws. */

export interface Thrown {
  readonly name?: string
  readonly message: string
  readonly code?: string | number
  readonly stack?: string
  readonly cause?: Thrown
  /** Of an `AggregateError`, or the two of a `SuppressedError`. */
  readonly errors?: readonly Thrown[]
}

export interface Hide {
  text(text: string): string
  json(text: string): string
  readonly longest: number
}

const NOTHING: Hide = { text: (text) => text, json: (text) => text, longest: 0 }

const MAX_TEXT_CHARS = 100_000
const MAX_NAME_CHARS = 200
const MAX_DEPTH = 5
const MAX_ERRORS = 12
const MAX_INNER = 3
/** Codes are searched deeper than errors are shown. */
const MAX_CHAIN = 20
const UNREADABLE = '[unreadable]'

export function isError(value: unknown): value is Error {
  return types.isNativeError(value) || isInstance(value, Error)
}

/** `instanceof` that never throws, even for a proxy. */
export function isInstance<T>(value: unknown, type: abstract new (...args: never[]) => T): value is T {
  try {
    return value instanceof type
  } catch {
    return false
  }
}

/** Never throws, even if the getter does. */
export function readProperty(value: object, key: string): unknown {
  try {
    return Reflect.get(value, key)
  } catch {
    return UNREADABLE
  }
}

export function readThrown(value: unknown, hide: Hide = NOTHING): Thrown {
  return readOne(value, hide, { left: MAX_ERRORS }, 1)
}

/** An error and its causes, outermost first; the first error of an aggregate. */
export function* chainOf(thrown: unknown): Generator<Error> {
  let current = thrown
  for (let length = 0; length < MAX_CHAIN && isError(current); length += 1) {
    yield current
    current = innerErrors(current)[0] ?? readProperty(current, 'cause')
  }
}

/** Recreates the error; a thrown value that was none becomes its text. */
export function toError({ name, message, code, stack, cause, errors }: Thrown): Error | string {
  if (name === undefined) return message
  const error = errors ? new AggregateError(errors.map(toError), message) : new Error(message)
  error.name = name
  if (stack !== undefined) error.stack = stack
  if (cause !== undefined) error.cause = toError(cause)
  return code === undefined ? error : Object.assign(error, { code })
}

export function toText(value: unknown, hide: Hide = NOTHING): string {
  if (typeof value === 'string') return bounded(value, hide)
  try {
    if (typeof value === 'object' && value !== null) {
      return hide.json(JSON.stringify(value, withErrorsInBrief)).slice(0, MAX_TEXT_CHARS)
    }
    // A function's text is its source; JSON has no form for a BigInt.
    if (typeof value !== 'function' && typeof value !== 'bigint') return hide.text(String(value))
  } catch {
    // A cycle or a throwing `toJSON`: shows the type instead.
  }
  return `a value of type ${typeof value}`
}

/** For a JSON replacer: the error at a key, whose own `toJSON` may drop the message. */
export function findErrorAt(holder: object, key: string, json: unknown): Error | undefined {
  const given = typeof json === 'object' ? Reflect.get(holder, key) : json
  return isError(given) ? given : undefined
}

function withErrorsInBrief(this: object, key: string, json: unknown): unknown {
  const error = findErrorAt(this, key, json)
  return error ? inBrief(error) : json
}

/** Without stack; inner errors must not lead back to it. */
function inBrief(error: Error) {
  const [name, message] = ['name', 'message'].map((key) => readProperty(error, key))
  return {
    name: typeof name === 'string' ? name : 'Error',
    message: typeof message === 'string' ? message : '',
  }
}

function readOne(value: unknown, hide: Hide, budget: { left: number }, depth: number): Thrown {
  budget.left -= 1
  const error = withoutStatement(value)
  if (!isError(error)) {
    const text = toText(error, hide)
    if (typeof error !== 'string') return { message: `thrown: ${text}` }
    return { message: isBlank(text) ? `thrown: ${JSON.stringify(text)}` : text }
  }
  const below = (other: unknown) => readOne(other, hide, budget, depth + 1)
  const mayGoOn = () => depth < MAX_DEPTH && budget.left > 0
  const [name, message, code, stack] = ['name', 'message', 'code', 'stack'].map((key) =>
    readProperty(error, key),
  )
  const errors = innerErrors(error).flatMap((inner) => (mayGoOn() ? below(inner) : []))
  const more = countInner(error) - MAX_INNER
  if (more > 1 && errors.length > 0) errors.push({ message: `and ${more} more` })
  const cause = readProperty(error, 'cause')
  const shownName = typeof name === 'string' ? bounded(name, hide).slice(0, MAX_NAME_CHARS) : ''
  const text = message === undefined || message === null ? '' : toText(message, hide)
  return {
    name: isBlank(shownName) ? 'Error' : shownName,
    message: isBlank(text) ? '' : text,
    ...(typeof code === 'string' ? { code: bounded(code, hide).slice(0, MAX_NAME_CHARS) } : {}),
    ...(typeof code === 'number' ? { code } : {}),
    ...(typeof stack === 'string' ? { stack: bounded(stack, hide) } : {}),
    ...(errors.length > 0 ? { errors } : {}),
    ...(cause !== undefined && mayGoOn() ? { cause: below(cause) } : {}),
  }
}

function isBlank(text: string): boolean {
  return text.trim() === ''
}

function innerErrors(error: Error): unknown[] {
  // Read as an aggregate, which `toError` creates.
  if (readProperty(error, 'name') === 'SuppressedError' && !isInstance(error, AggregateError)) {
    return ['error', 'suppressed'].map((key) => readProperty(error, key))
  }
  const errors = readProperty(error, 'errors')
  // Shows one more error rather than "1 more".
  const count = countInner(error)
  const length = count > MAX_INNER + 1 ? MAX_INNER : count
  return Array.from({ length }, (_, i) => readProperty(errors as object, String(i)))
}

function countInner(error: Error): number {
  if (!isInstance(error, AggregateError) && readProperty(error, 'name') !== 'AggregateError') return 0
  const errors = readProperty(error, 'errors')
  const length = typeof errors === 'object' && errors !== null ? readProperty(errors, 'length') : 0
  return typeof length === 'number' && length > 0 ? Math.floor(length) : 0
}

/** Drizzle's errors hold the statement and its parameters in message and stack: returns the cause instead. */
export function withoutStatement(thrown: unknown): unknown {
  let current = thrown
  for (let length = 0; length < MAX_CHAIN; length += 1) {
    if (!isError(current) || !holdsStatement(current)) return current
    current = readProperty(current, 'cause')
    if (current === undefined) break
  }
  return new Error('the database refused a statement')
}

/** Checks the message: errors of the host may also have `query` and `params`. */
function holdsStatement(error: Error): boolean {
  const [query, params, message] = ['query', 'params', 'message'].map((key) => readProperty(error, key))
  return (
    typeof query === 'string' &&
    typeof message === 'string' &&
    // Drizzle 1.0 leaves the parameters out in parts.
    (params === undefined ? message === `Failed query: ${query}` : message.includes(`Failed query: ${query}`))
  )
}

function bounded(text: string, hide: Hide): string {
  if (text.length <= MAX_TEXT_CHARS) return hide.text(text)
  const hidden = hide.text(text.slice(0, MAX_TEXT_CHARS))
  // The cut may have split a secret.
  return hidden.slice(0, Math.max(0, hidden.length - hide.longest))
}
