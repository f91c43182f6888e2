import { z } from 'zod'
import { filterInstant, MAX_USER_ID_CHARS } from './requests.ts'
import { instant, storableText } from './task.ts'

export type { AuditAction, AuditEntry, AuditPage, AuditQuery } from './audit-views.ts'

export const auditQuery = z.strictObject({
  actor: storableText.min(1).max(MAX_USER_ID_CHARS).optional().describe('Id of who made the change.'),
  action: storableText.min(1).max(100).optional().describe('What was done, such as `task.cancel`.'),
  subject: storableText
    .min(1)
    .max(200)
    .optional()
    .describe('Id of a task, name of a type or schedule, or a user.'),
  after: filterInstant.optional().describe('Written at this instant or later.'),
  before: filterInstant.optional().describe('Written before this instant.'),
  cursor: z.string().min(1).max(100).optional().describe('`nextCursor` of the previous page.'),
})

const auditEntry = z.object({
  at: instant,
  actor: z.object({
    id: z.string().nullable().describe('Null: unknown, as where the host guards the routes itself.'),
    name: z.string().nullable(),
  }),
  action: z.string(),
  subject: z.string().nullable(),
  outcome: z.string().describe('`ok`, or the code of the error, such as TASK_NOT_FOUND.'),
  requestId: z.string().nullable(),
  address: z.string().nullable(),
})

export const auditPage = z.object({ entries: z.array(auditEntry), nextCursor: z.string().nullable() })
