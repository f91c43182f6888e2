import { STATUS_CODES } from 'node:http'
import type { FastifyError } from 'fastify'
import {
  hasZodFastifySchemaValidationErrors,
  type ZodFastifySchemaValidationError,
} from 'fastify-type-provider-zod'
import type { Problem } from '../contract/problem.ts'
import { isOutage } from '../db/errors.ts'
import {
  cut,
  describeProblems,
  type FieldProblem,
  shorten,
  TaskError,
  type TaskErrorCode,
} from '../engine/definition/errors.ts'
import { toPointer } from '../engine/definition/pointer.ts'
import { isError, isInstance, readThrown } from '../engine/definition/thrown.ts'

/** Bounds the response to a body full of unknown keys. */
const MAX_PROBLEMS = 100
const MAX_PROBLEM_BYTES = 20_000
const MAX_DETAIL_CHARS = 1_500

/** An error that a route responds with; its message is for the caller. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem'
  readonly statusCode: number
  readonly code: string
  readonly errors: readonly FieldProblem[]
  /** Sent with the response, such as `Retry-After`. */
  readonly headers: Readonly<Record<string, string>>
  /** A 5xx that is in the log already. */
  readonly isLogged: boolean

  constructor(
    statusCode: number,
    code: string,
    detail: string,
    more: {
      errors?: readonly FieldProblem[]
      headers?: Readonly<Record<string, string>>
      isLogged?: boolean
    } = {},
  ) {
    super(detail)
    this.statusCode = statusCode
    this.code = code
    this.errors = more.errors ?? []
    this.headers = more.headers ?? {}
    this.isLogged = more.isLogged ?? false
  }
}

export function makeProblem(
  status: number,
  code: string,
  detail: string,
  errors: readonly FieldProblem[] = [],
): Problem {
  const title = STATUS_CODES[status] ?? 'Error'
  const listed = errors.length > 0 ? { errors: listProblems(errors) } : {}
  return { status, title, detail: cut(detail, MAX_DETAIL_CHARS), code, ...listed }
}

function listProblems(errors: readonly FieldProblem[]): FieldProblem[] {
  const listed: FieldProblem[] = []
  let bytes = 0
  for (const error of errors.slice(0, MAX_PROBLEMS)) {
    const short = shorten(error)
    bytes += Buffer.byteLength(JSON.stringify(short))
    if (bytes > MAX_PROBLEM_BYTES) break
    listed.push(short)
  }
  return listed
}

/** The only detail of a 5xx. */
export const INTERNAL_DETAIL = 'something went wrong here; the log of the server knows more'
const INTERNAL = makeProblem(500, 'INTERNAL', INTERNAL_DETAIL)
const OVERLOADED = makeProblem(
  503,
  'SERVICE_UNAVAILABLE',
  'the server cannot serve at the moment; try again later',
)

const TASK_ERROR_STATUS: Partial<Record<TaskErrorCode, number>> = {
  TASK_NOT_FOUND: 404,
  TASK_ALREADY_FINISHED: 409,
  TASK_NOT_FINISHED: 409,
  TASK_NOT_RUNNING: 409,
  TASK_NOT_PENDING: 409,
  TASK_STILL_STOPPING: 409,
  TASK_BUSY: 409,
  TASK_TYPE_BUSY: 409,
  SCHEDULE_BUSY: 409,
  CANCEL_PENDING: 409,
  DUPLICATE_TASK: 409,
  UNIQUE_KEY_BUSY: 503,
  UNKNOWN_TASK_TYPE: 400,
  INVALID_PARAMS: 400,
  INVALID_ARGUMENT: 400,
  STEP_NOT_FOUND: 400,
  SCHEDULE_NOT_FOUND: 404,
  ERROR_GROUP_NOT_FOUND: 404,
  DUPLICATE_SCHEDULE: 409,
  TOO_MANY_SCHEDULES: 409,
  SHUTTING_DOWN: 503,
  NO_CONNECTION: 503,
}

const STATUS_CODE_NAMES: Record<number, string> = {
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'REQUEST_TIMEOUT',
  413: 'BODY_TOO_LARGE',
  414: 'URL_TOO_LONG',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'TOO_MANY_REQUESTS',
  431: 'HEADERS_TOO_LARGE',
}

const INVALID_JSON_CODES: ReadonlySet<unknown> = new Set([
  'FST_ERR_CTP_INVALID_JSON_BODY',
  'FST_ERR_CTP_EMPTY_JSON_BODY',
])

const JSON_EXPECTED = 'the body must be JSON, sent with the header Content-Type: application/json'

const FRAMEWORK_CODES: ReadonlyMap<unknown, string> = new Map([['FST_ERR_BAD_URL', 'INVALID_URL']])

export function invalidJson(detail: string): HttpProblem {
  return new HttpProblem(400, 'INVALID_JSON', detail, { errors: [{ pointer: '', detail }] })
}

/** What the caller learns of an error; of a 5xx nothing internal. */
export function toProblem(error: unknown): Problem {
  try {
    return readProblem(error)
  } catch {
    // A host's error may throw when it is read.
    return INTERNAL
  }
}

function readProblem(error: unknown): Problem {
  if (isInstance(error, HttpProblem)) {
    return makeProblem(error.statusCode, error.code, error.message, error.errors)
  }
  if (isInstance(error, TaskError)) return fromTaskError(error)
  if (hasZodFastifySchemaValidationErrors(error)) {
    const errors = error.validation.slice(0, MAX_PROBLEMS).flatMap(toFieldProblems)
    return makeProblem(400, nameValidation(error.validationContext, errors), describeProblems(errors), errors)
  }
  // Hosts throw plain objects, too, as an `errorResponseBuilder` of @fastify/rate-limit does.
  const thrown = typeof error === 'object' && error !== null ? error : {}
  const { statusCode = 500, code } = thrown as Partial<FastifyError>
  if (Number.isInteger(statusCode) && statusCode >= 400 && statusCode < 500) {
    const message = messageOf(thrown)
    if (INVALID_JSON_CODES.has(code)) return readProblem(invalidJson(message))
    if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return makeProblem(415, nameStatus(415), JSON_EXPECTED)
    return makeProblem(statusCode, FRAMEWORK_CODES.get(code) ?? nameStatus(statusCode), message)
  }
  // Of a hook that sheds load, or of the host's limit for handlers.
  if (statusCode === 503) return OVERLOADED
  // Checked last: a client that disconnects resembles a database that does.
  if (isOutage(error)) {
    return makeProblem(503, 'DATABASE_UNAVAILABLE', 'the database cannot be reached; try again later')
  }
  return INTERNAL
}

function messageOf(thrown: { readonly message?: unknown }): string {
  if (isError(thrown)) return readThrown(thrown).message
  return typeof thrown.message === 'string' ? thrown.message : ''
}

export function nameStatus(status: number): string {
  return STATUS_CODE_NAMES[status] ?? 'BAD_REQUEST'
}

/** One code for params, whether the request's or the type's schema refused them. */
function nameValidation(part: string | undefined, errors: readonly FieldProblem[]): string {
  const isAboutParams = part === 'body' && errors.every(({ pointer }) => pointer === '/params')
  return isAboutParams ? 'INVALID_PARAMS' : 'INVALID_REQUEST'
}

/** Its message may name the database's host. */
function isOfStart(code: TaskErrorCode): boolean {
  return code === 'MIGRATION_FAILED' || code === 'UNSUPPORTED_DATABASE' || code === 'DATABASE_UNAVAILABLE'
}

function fromTaskError(error: TaskError): Problem {
  if (isOfStart(error.code)) {
    return makeProblem(
      503,
      'DATABASE_UNAVAILABLE',
      'the database is not ready; the log of the server knows more',
    )
  }
  const status = TASK_ERROR_STATUS[error.code]
  if (status === undefined) return INTERNAL
  // The engine's pointers start at the params, the caller's at the body.
  const base = error.code === 'INVALID_PARAMS' ? '/params' : ''
  const errors = error.problems.map(({ pointer, detail }) => ({ pointer: `${base}${pointer}`, detail }))
  return makeProblem(status, error.code, error.message, errors)
}

/** Points to the unknown key instead of its object. */
function toFieldProblems({
  instancePath,
  keyword,
  message,
  params,
}: ZodFastifySchemaValidationError): FieldProblem[] {
  // Without a path it is '/', which as a pointer would name the key ''.
  const base = instancePath === '/' ? '' : instancePath
  if (keyword === 'unrecognized_keys' && Array.isArray(params.keys)) {
    return params.keys.slice(0, MAX_PROBLEMS).map((key) => ({
      pointer: base + toPointer([String(key)]),
      detail: 'is not known here',
    }))
  }
  return [{ pointer: base, detail: message ?? 'is invalid' }]
}
