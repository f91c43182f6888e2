import { z } from 'zod'
import { MAX_EXACT_TOTAL } from './exact-total.ts'
import type { TaskSort } from './given.ts'
import { instant, LOG_LEVELS, stepName, storableText, TASK_STATUSES } from './task.ts'

export { MAX_EXACT_TOTAL }

/** Pages past this many rows need a cursor. */
export const MAX_OFFSET_ROWS = 10_000
export const MAX_PAGE_SIZE = 200

/** A number in a query string; an empty text is none, though JavaScript takes it for 0. */
const inQuery = <T extends z.ZodType<number>>(number: T) =>
  z.preprocess((value) => (typeof value === 'string' && value.trim() !== '' ? Number(value) : value), number)

/** `true` or `false` in a query string. */
export const flagInQuery = z.preprocess(
  (value) => (value === 'true' ? true : value === 'false' ? false : value),
  z.boolean(),
)

const page = inQuery(z.int().min(1)).default(1)
const pageSize = inQuery(z.int().min(1).max(MAX_PAGE_SIZE)).default(50)

const fromYear = (year: number) =>
  instant.refine((date) => date.getUTCFullYear() >= year, `must be in the year ${year} or later`)

/** PostgreSQL has no year 0. */
export const filterInstant = fromYear(1)
/** A year of two digits would be read back as one of the last century. */
const dueInstant = fromYear(1970)

export const taskTypeName = storableText.min(1).max(100)
/** Longest id of a user, in characters. */
export const MAX_USER_ID_CHARS = 200
const createdBy = storableText
  .min(1)
  .max(MAX_USER_ID_CHARS)
  .optional()
  .describe('Id of the user who created the task.')

/** As `GET /error-groups` returns it. */
export const errorGroupId = z
  .string()
  .regex(/^[\da-f]{16}$/, 'must be the id of an error group, 16 hexadecimal digits')

export const uniqueKey = storableText.min(1).max(255)

export const TASK_SORTS = [
  'created',
  'ended',
  'duration',
  'waiting',
  'attempts',
] as const satisfies readonly TaskSort[]

/** What is not found by an index. */
export const searchFilter = {
  error: storableText.min(1).max(200).optional().describe('Text in the last error, in any case.'),
  param: storableText
    .max(301)
    .regex(/^[^:]{1,100}:[\s\S]{0,200}$/, 'must be key:value, such as invoice:INV-17')
    .optional()
    .describe('`key:value` of a param: a text, number, boolean or null.'),
  uniqueKey: uniqueKey.optional().describe('A complete unique key, also of ended tasks.'),
  executorId: z
    .guid('must be the id of an executor, a UUID')
    .optional()
    .describe('Executor of the latest attempt.'),
  sort: z
    .enum(TASK_SORTS)
    .optional()
    .describe(
      'The latest, longest or most first: `duration` of the latest attempt, `waiting` from its due time to its start. All but `created` sort the tasks that were searched.',
    ),
}

/** Ids that a list may name. */
const MAX_LISTED_IDS = 200
export const taskIds = z.array(storableText.min(1).max(50)).max(MAX_LISTED_IDS).describe('Any of these ids.')

/** In a query string: given once, it is a text. */
const repeatable = <T extends z.ZodType>(list: T) =>
  z.preprocess((value) => (value === undefined || Array.isArray(value) ? value : [value]), list)

export const listTasksQuery = z.strictObject({
  status: repeatable(z.array(z.enum(TASK_STATUSES)).max(TASK_STATUSES.length).optional()),
  taskId: repeatable(taskIds.optional()),
  taskType: taskTypeName.optional(),
  q: storableText
    .min(1)
    .max(100)
    .optional()
    .describe(
      'A prefix of the task id, or a part of the type. If more than 20,000 ids match, tasks created by a process whose clock was off by more than 5 minutes are left out.',
    ),
  createdAfter: filterInstant.optional(),
  createdBefore: filterInstant.optional(),
  createdBy,
  errorGroup: errorGroupId.optional().describe('Failed tasks whose error is of this group.'),
  ...searchFilter,
  page,
  pageSize,
  cursor: z.string().min(1).max(100).optional().describe('`nextCursor` of the previous page.'),
})
export type ListTasksQuery = z.output<typeof listTasksQuery>

export const watchTasksQuery = z.strictObject({ createdBy })

/** Only that they are an object is checked here: the task type's own schema checks the content. */
export const taskParams = z
  .custom<Record<string, unknown>>(
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
    'must be a JSON object',
  )
  .meta({
    type: 'object',
    additionalProperties: true,
    description: 'Must match the schema of the task type.',
  })

/** Ten years of 366 days. */
export const MAX_DELAY_MS = 10 * 366 * 86_400_000
export const delayMs = z.int().min(0).max(MAX_DELAY_MS)
export const priority = z.int().min(-100).max(100)
export const concurrencyKey = storableText.min(1).max(200)

/** What a create does if its unique key is in use: returns the task that has it, is refused, or changes that task. */
export const ON_DUPLICATE = ['return', 'reject', 'replace'] as const

interface StartTimes {
  runAt?: unknown
  delayMs?: unknown
  expiresAt?: unknown
}

/** Refuses two due times, and an expiry that leaves no time for a start. What is no date at all is refused elsewhere. */
export function checkTimes({ runAt, delayMs, expiresAt }: StartTimes, ctx: z.core.$RefinementCtx): void {
  const refuse = (field: keyof StartTimes, message: string) =>
    ctx.addIssue({ code: 'custom', path: [field], message })
  if (runAt !== undefined && delayMs !== undefined) refuse('delayMs', 'give either runAt or delayMs')
  if (!isInstant(expiresAt)) return
  const now = Date.now()
  const earliest = isInstant(runAt) ? runAt.getTime() : now + (Number(delayMs) || 0)
  if (expiresAt.getTime() > Math.max(now, earliest)) return
  const expected = earliest > now ? 'after the earliest start' : 'in the future'
  refuse('expiresAt', `must be ${expected}, got ${expiresAt.toISOString()}`)
}

function isInstant(value: unknown): value is Date {
  return value instanceof Date && !Number.isNaN(value.getTime())
}

/** Refuses options of a replacement where there is none. */
export function checkReplacement(
  {
    onDuplicate,
    uniqueKey,
    maxDelayMs,
  }: { onDuplicate?: unknown; uniqueKey?: unknown; maxDelayMs?: unknown },
  ctx: z.core.$RefinementCtx,
): void {
  const refuse = (field: string, message: string) => ctx.addIssue({ code: 'custom', path: [field], message })
  if (onDuplicate === 'replace' && uniqueKey === undefined)
    refuse('onDuplicate', "'replace' needs a uniqueKey")
  if (onDuplicate !== 'replace' && maxDelayMs !== undefined) {
    refuse('maxDelayMs', "is only for onDuplicate: 'replace'")
  }
}

export const createTaskBody = z
  .strictObject({
    taskType: taskTypeName,
    params: taskParams.exactOptional(),
    maxRetries: z.int().min(0).max(100).exactOptional(),
    timeoutSeconds: z.int().min(1).max(2_147_483).exactOptional(),
    priority: priority.exactOptional(),
    runAt: dueInstant.exactOptional().describe('Earliest start. Default: now.'),
    delayMs: delayMs
      .exactOptional()
      .describe('Milliseconds from now until the earliest start; instead of runAt.'),
    expiresAt: dueInstant
      .exactOptional()
      .describe(
        'Latest start: a task that still waits then is not started, and ends `cancelled` with the error `expired`.',
      ),
    uniqueKey: uniqueKey.exactOptional().describe('At most one unfinished task has a given key.'),
    onDuplicate: z
      .enum(ON_DUPLICATE)
      .exactOptional()
      .describe(
        'If an unfinished task has the uniqueKey: `return` it (the default), `reject` with 409, or `replace`: a pending task of the same type takes the new params, priority, due time, expiry, retries and timeout.',
      ),
    maxDelayMs: delayMs
      .exactOptional()
      .describe(
        'Milliseconds after its creation beyond which replacements do not postpone a task. Default: no limit.',
      ),
  })
  .superRefine(checkTimes)
  .superRefine(checkReplacement)

/** Refuses a change of nothing. */
export function requireChange(changes: object, ctx: z.core.$RefinementCtx): void {
  if (Object.values(changes).some((value) => value !== undefined)) return
  const message = 'expected object with something to change: params, priority or runAt'
  ctx.addIssue({ code: 'custom', message })
}

export const changeTaskBody = z
  .strictObject({
    params: taskParams
      .exactOptional()
      .describe('Replace all params. Must match the schema of the task type.'),
    priority: priority.exactOptional(),
    runAt: dueInstant.exactOptional().describe('Earliest start.'),
  })
  .superRefine(requireChange)

export const retryTaskBody = z
  .strictObject({
    from: stepName
      .exactOptional()
      .describe(
        '`start`: forgets all steps. The name of a finished step: forgets it and all that finished after it. Default: a failed or cancelled task keeps its steps, a completed one starts anew.',
      ),
  })
  .nullish()

export const logText = storableText.min(1).max(200)

export const listLogsQuery = z.strictObject({
  level: z.enum(LOG_LEVELS).optional(),
  page,
  pageSize,
  afterId: inQuery(z.int().min(0)).optional(),
  beforeId: inQuery(z.int().min(0)).optional(),
  since: filterInstant.optional().describe('Lines written from then on.'),
  q: logText
    .optional()
    .describe('Lines that contain it. A call scans 50,000 lines; `nextId` is where the next one goes on.'),
  total: flagInQuery
    .default(true)
    .describe('`false` leaves `total` out, which takes long to count in a log of a million lines.'),
  order: z.enum(['asc', 'desc']).default('asc'),
})
