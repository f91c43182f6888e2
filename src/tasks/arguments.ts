import { z } from 'zod'
import { BULK_ACTIONS, MAX_BULK_TASKS } from '../contract/bulk.ts'
import { concurrencyKey, delayMs, ON_DUPLICATE, refuseTwoTimes, uniqueKey } from '../contract/requests.ts'
import { LOG_LEVELS, storableText, TASK_STATUSES } from '../contract/task.ts'
import { describeProblems, TaskError } from './errors.ts'
import { toPointer } from './params.ts'

/**
 * What programs may say to the manager. It is checked before it reaches a statement: a value that PostgreSQL cannot
 * take is a mistake of the caller's, with a code and a field, and no failure of the database.
 */

const inYears = (first: number, last: number) =>
  z.date().refine((date) => date.getUTCFullYear() >= first && date.getUTCFullYear() <= last, {
    message: `must be in the years ${first} to ${last}`,
  })
/** What both PostgreSQL and RFC 3339 can write. */
const instant = inYears(1, 9999)
/** A year of two digits would be read back as one of the last century. */
const dueInstant = inYears(1970, 9999)
const count = z.int().min(0).max(2_147_483_647)
/** REST allows 200; a program may take more at a time, but not everything. */
const pageSize = z.int().min(1).max(10_000)
/** Times the largest page that is an offset which `bigint` holds, and which no number rounds. */
const page = z.int().min(1).max(2_147_483_647)

export const createOptions = z
  .strictObject({
    priority: z.int().min(-100).max(100).optional(),
    runAt: dueInstant.optional(),
    delayMs: delayMs.optional(),
    uniqueKey: uniqueKey.optional(),
    onDuplicate: z.enum(ON_DUPLICATE).optional(),
    concurrencyKey: concurrencyKey.nullable().optional(),
    maxRetries: z.int().min(0).max(100).optional(),
    timeoutSeconds: z.int().min(1).max(2_147_483).optional(),
    createdBy: storableText.max(200).nullable().optional(),
  })
  .superRefine(refuseTwoTimes)

export const taskQuery = z.object({
  status: z.array(z.enum(TASK_STATUSES)).optional(),
  taskType: storableText.optional(),
  q: storableText.optional(),
  createdAfter: instant.optional(),
  createdBefore: instant.optional(),
  page: page.optional(),
  pageSize: pageSize.optional(),
  cursor: z.string().optional(),
})

export const bulkRequest = z
  .object({
    action: z.enum(BULK_ACTIONS),
    taskIds: z.array(z.string()).min(1).max(MAX_BULK_TASKS).optional(),
    filter: taskQuery.omit({ page: true, pageSize: true, cursor: true }).strict().optional(),
    dryRun: z.boolean().optional(),
  })
  .refine(({ taskIds, filter }) => (taskIds === undefined) !== (filter === undefined), {
    path: ['taskIds'],
    message: 'give either taskIds or filter',
  })

export const logQuery = z.object({
  level: z.enum(LOG_LEVELS).optional(),
  page: page.optional(),
  pageSize: pageSize.optional(),
  afterId: z.int().min(0).optional(),
  order: z.enum(['asc', 'desc']).optional(),
})

export const progressReport = z.object({
  current: count,
  total: count.optional(),
  step: z.string().optional(),
})

export const logLine = z.object({ level: z.enum(LOG_LEVELS), message: z.string() })

export const waitOptions = z.object({
  timeoutMs: z.union([z.number().min(0), z.literal(Number.POSITIVE_INFINITY)]).optional(),
})

/** @throws TaskError `INVALID_ARGUMENT`, naming each field at fault */
export function requireValid<T>(what: string, schema: z.ZodType<T>, value: unknown): T {
  const answer = schema.safeParse(value)
  if (answer.success) return answer.data
  const problems = answer.error.issues.map((issue) => ({
    pointer: toPointer(issue.path),
    detail: issue.message,
  }))
  throw new TaskError('INVALID_ARGUMENT', `invalid ${what}: ${describeProblems(problems, '(all)')}`, {
    problems,
  })
}
