import { z } from 'zod'
import { errorGroupId, flagInQuery, taskTypeName } from './requests.ts'
import { instant } from './task.ts'

export type { ErrorGroup, ErrorGroupQuery } from './error-group-views.ts'

export const errorGroupPath = z.looseObject({ groupId: errorGroupId })

export const errorGroupQuery = z.strictObject({
  taskType: taskTypeName.optional().describe('Default: all types.'),
  seen: flagInQuery.optional().describe('`true`: marked as seen; `false`: not. Default: both.'),
})

const count = z.int().min(0)

/** Failures of a type whose errors differ in numbers, ids, dates and quoted text alone. */
export const errorGroup = z.object({
  id: z.string().describe('Filters lists and bulk actions as `errorGroup`.'),
  taskType: z.string(),
  message: z
    .string()
    .nullable()
    .describe('What its errors have in common; null: all messages beyond 100 of a type.'),
  error: z.string().describe('The latest one.'),
  lastTaskId: z.string().describe('Task of the latest error; it may have been deleted.'),
  count: count.describe('Attempts that failed, or were lost.'),
  failedTasks: count.describe('Failed tasks that are still there, counted up to 1,000.'),
  firstAt: instant,
  lastAt: instant,
  seenAt: instant
    .nullable()
    .describe('When somebody marked it as seen; null: nobody, or it was back after a day without failures.'),
  hours: z.array(count).describe('Failures in each of the last 24 hours, oldest first.'),
  hoursUntil: instant.describe('Start of the last one of `hours`, which is incomplete.'),
})

export const errorGroups = z.object({
  errorGroups: z.array(errorGroup).describe('At most 200, the latest failure first.'),
})
