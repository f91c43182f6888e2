import { z } from 'zod'
import { describeUnknownOption } from '../../client/option-names.ts'
import { BULK_ACTIONS, MAX_BULK_TASKS, RESTORES_BY_RETRY } from '../../contract/bulk.ts'
import {
  checkReplacement,
  checkTimes,
  concurrencyKey,
  delayMs,
  errorGroupId,
  logText,
  MAX_USER_ID_CHARS,
  ON_DUPLICATE,
  priority,
  requireChange,
  searchFilter,
  taskIds,
  uniqueKey,
} from '../../contract/requests.ts'
import { LOG_LEVELS, storableText, TASK_STATUSES } from '../../contract/task.ts'
import type { Transaction } from '../../db/query-runner.ts'
import type { Actor, ActorOptions } from '../definition/actor.ts'
import { describeProblems, TaskError } from '../definition/errors.ts'
import { toPointer } from '../definition/pointer.ts'
import { findDefinitions } from '../definition/task.ts'
import type { AnyTask } from '../definition/task-reference.ts'

/** Checks arguments before a statement is sent: a value that cannot be stored is the caller's error, with a field. */

const inYears = (first: number, last: number) =>
  z.date().refine((date) => date.getUTCFullYear() >= first && date.getUTCFullYear() <= last, {
    message: `must be in the years ${first} to ${last}`,
  })
/** The range of both PostgreSQL and RFC 3339. */
const instant = inYears(1, 9999)
/** A year of two digits would be read back as one of the last century. */
const dueInstant = inYears(1970, 9999)
const count = z.int().min(0).max(2_147_483_647)
const pageSize = z.int().min(1).max(10_000)
/** So that page × pageSize is a safe integer. */
const page = z.int().min(1).max(2_147_483_647)

const createdBy = storableText.max(MAX_USER_ID_CHARS).nullable().optional()

const shown = z.string().nullable().optional()

const actor = z
  .strictObject({
    id: storableText.min(1).max(MAX_USER_ID_CHARS).nullable(),
    name: shown,
    requestId: shown,
    address: shown,
  })
  .optional()
export const actorOptions = z.strictObject({ actor })

export const auditQuery = z.strictObject({
  actor: storableText.optional(),
  action: storableText.optional(),
  subject: storableText.optional(),
  after: instant.optional(),
  before: instant.optional(),
  cursor: z.string().optional(),
})

export const taskItem = z
  .strictObject({
    task: z.unknown().optional(),
    params: z.unknown().optional(),
    priority: priority.optional(),
    runAt: dueInstant.optional(),
    delayMs: delayMs.optional(),
    expiresAt: dueInstant.optional(),
    uniqueKey: uniqueKey.optional(),
    onDuplicate: z.enum(ON_DUPLICATE).optional(),
    maxDelayMs: delayMs.optional(),
    concurrencyKey: concurrencyKey.nullable().optional(),
    maxRetries: z.int().min(0).max(100).optional(),
    timeoutSeconds: z.int().min(1).max(2_147_483).optional(),
    createdBy,
  })
  .superRefine(checkTimes)
  .superRefine(checkReplacement)

/** A change of a task that waits; its params are checked by its type. */
export const taskChanges = z
  .strictObject({
    params: z.unknown().optional(),
    priority: priority.optional(),
    runAt: dueInstant.optional(),
  })
  .superRefine(requireChange)

export const taskList = z.array(z.custom(isObject, 'must be an object such as { task, params }'))

/** @throws TaskError `INVALID_ARGUMENT` if it is no object, or has another argument of `createTask` as a key */
export function requireCreateOptions<T extends object>(options: T): T {
  if (!isObject(options)) throw refuseOptions('must be an object')
  const misplaced = ['task', 'params'].find((name) => name in options)
  if (misplaced === undefined) return options
  throw refuseOptions(`${misplaced} is an argument of its own: createTask(task, params, options)`)
}

/** @throws TaskError `INVALID_ARGUMENT` if it is no object, or has other keys */
export function requireKnownKeys(what: string, given: unknown, known: readonly string[]): void {
  const shape = Object.fromEntries(known.map((key) => [key, z.unknown().optional()]))
  requireValid(what, z.strictObject(shape), given)
}

/** The caller's own object: a route asks later whether it has left an entry. It is checked where it is used. */
export function actorOf(what: string, options: ActorOptions): Actor | undefined {
  requireKnownKeys(what, options, ['actor'])
  return options.actor
}

function refuseOptions(detail: string): TaskError {
  const problems = [{ pointer: '', detail }]
  return new TaskError('INVALID_ARGUMENT', `invalid task options: ${detail}`, { problems })
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const taskFilter = z.strictObject({
  status: z.array(z.enum(TASK_STATUSES)).optional(),
  taskType: storableText.optional(),
  q: storableText.optional(),
  createdAfter: instant.optional(),
  createdBefore: instant.optional(),
  createdBy: storableText.optional(),
  errorGroup: errorGroupId.optional(),
})

export const taskQuery = taskFilter.extend({
  taskId: taskIds.optional(),
  ...searchFilter,
  page: page.optional(),
  pageSize: pageSize.optional(),
  cursor: z.string().optional(),
})

export const bulkRequest = z
  .strictObject({
    action: z.enum(BULK_ACTIONS),
    taskIds: z.array(z.string()).min(1).max(MAX_BULK_TASKS).optional(),
    filter: taskFilter.optional(),
    dryRun: z.boolean().optional(),
    restore: z.boolean().optional(),
  })
  .refine(({ taskIds, filter }) => (taskIds === undefined) !== (filter === undefined), {
    path: ['taskIds'],
    message: 'give either taskIds or filter',
  })
  .refine(...RESTORES_BY_RETRY)

export const logQuery = z.strictObject({
  level: z.enum(LOG_LEVELS).optional(),
  page: page.optional(),
  pageSize: pageSize.optional(),
  afterId: z.int().min(0).optional(),
  beforeId: z.int().min(0).optional(),
  since: instant.optional(),
  q: logText.optional(),
  total: z.boolean().optional(),
  order: z.enum(['asc', 'desc']).optional(),
})

export const progressReport = z.object({
  current: count,
  total: count.optional(),
  step: z.string().optional(),
})

export const logLine = z.object({ level: z.enum(LOG_LEVELS), message: z.string() })

const timeoutMs = z.union([z.number().min(0), z.literal(Number.POSITIVE_INFINITY)]).optional()

export const waitTaskOptions = z.strictObject({ timeoutMs })
export const drainOptions = z.strictObject({ timeoutMs, skipSleeps: z.boolean().optional() })

export const watchOptions = z.strictObject({
  signal: z.instanceof(AbortSignal).optional(),
  afterId: z.int().min(0).optional(),
})

export const waitOptions = z.strictObject({
  timeoutMs,
  signal: z.instanceof(AbortSignal).optional(),
  task: z.custom<AnyTask>(isHandler, 'must be a handler that was passed to task()').optional(),
})

/** `tx` is checked where it is used. */
export const createManyOptions = z.strictObject({ tx: z.custom<Transaction>().optional(), actor })

export const runScheduleOptions = z.strictObject({ createdBy, actor })

function isHandler(value: unknown): boolean {
  return findDefinitions(value).length > 0
}

/** @throws TaskError `INVALID_ARGUMENT`, naming each invalid field */
export function requireValid<T>(what: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => ({
    pointer: toPointer(issue.path),
    detail: issue.code === 'unrecognized_keys' ? describeKeys(schema, issue) : issue.message,
  }))
  const list = describeProblems(problems)
  throw new TaskError('INVALID_ARGUMENT', `invalid ${what}: ${list}`, { problems })
}

function describeKeys(schema: z.ZodType, { path, keys }: z.core.$ZodIssueUnrecognizedKeys): string {
  const known = findKeys(schema, path)
  return keys.map((key) => `${key} ${describeUnknownOption(key, known)}`).join('; ')
}

function findKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema
  for (const key of ['', ...path]) {
    if (at instanceof z.ZodObject && key !== '') at = at.shape[String(key)]
    while (at instanceof z.ZodOptional || at instanceof z.ZodExactOptional) at = at.unwrap()
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : []
}
