import { z } from 'zod'
import { taskParams, taskTypeName } from './requests.ts'
import type { MissedTicks } from './schedule-views.ts'
import { instant, storableText, TASK_STATUSES } from './task.ts'

export type { MissedTicks, ScheduleTick, ScheduleTicks, ScheduleView } from './schedule-views.ts'

/** Schedules that there may be. */
export const MAX_SCHEDULES = 1_000
/** Bytes of JSON text that a schedule's params may take: they are listed, all of them, with every schedule. */
export const MAX_SCHEDULE_PARAMS_BYTES = 16_384

export const MISSED_TICKS = ['skip', 'once', 'all'] as const satisfies readonly MissedTicks[]

export const scheduleName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$/,
    "must be 1 to 100 letters, digits, '_', '.', ':' or '-', the first a letter or digit",
  )

const fields = {
  cron: storableText
    .min(1, 'is required')
    .max(200)
    .describe('Cron expression of five fields, or six with seconds first, or a nickname such as @daily.'),
  timeZone: storableText.min(1, 'is required').max(100).describe('IANA time zone, such as Asia/Shanghai.'),
  taskType: taskTypeName,
  params: taskParams.describe(
    'Parsed by the type at each tick: a default such as today means the day of the tick.',
  ),
  enabled: z.boolean(),
  missed: z
    .enum(MISSED_TICKS)
    .describe(
      'What happens to ticks that no process fired in time: dropped, one task for all, or one task each.',
    ),
}

export const createScheduleBody = z.strictObject({
  name: scheduleName,
  cron: fields.cron,
  timeZone: fields.timeZone.default('UTC'),
  taskType: fields.taskType,
  params: fields.params.exactOptional(),
  enabled: fields.enabled.default(true),
  missed: fields.missed.default('skip'),
})

export const changeScheduleBody = z
  .strictObject({
    cron: fields.cron.exactOptional(),
    timeZone: fields.timeZone.exactOptional(),
    taskType: fields.taskType.exactOptional(),
    params: fields.params.exactOptional(),
    enabled: fields.enabled.exactOptional(),
    missed: fields.missed.exactOptional(),
  })
  .refine(
    (change) => Object.keys(change).length > 0,
    'expected object with something to change: cron, timeZone, taskType, params, enabled or missed',
  )

export const scheduleView = z.object({
  name: z.string(),
  cron: z.string(),
  timeZone: z.string(),
  taskType: z.string(),
  params: z.record(z.string(), z.json()),
  enabled: z.boolean(),
  missed: z.enum(MISSED_TICKS),
  declared: z
    .boolean()
    .describe("Declared by an app's code, which overwrites everything but `enabled` at its next start."),
  nextRunAt: instant.nullable().describe('Null while disabled.'),
  lastRunAt: instant.nullable().describe('The latest tick that created a task.'),
  lastTaskId: z.string().nullable().describe('The task of that tick; it may have been deleted.'),
  lastError: z.string().nullable().describe('Why the latest tick created no task.'),
  createdAt: instant,
  updatedAt: instant,
})

export const scheduleTicksList = z.object({
  schedules: z.array(
    z.object({
      name: z.string(),
      past: z
        .array(
          z.object({
            at: instant,
            taskId: z.string().nullable(),
            error: z.string().nullable().describe('Why it created no task.'),
            status: z.enum(TASK_STATUSES).nullable().describe('Null: its task is not there any more.'),
            durationMs: z.int().min(0).nullable(),
          }),
        )
        .describe('The newest 20 ticks, oldest first.'),
      next: z.array(instant).describe('The next five ticks; empty while disabled.'),
    }),
  ),
})
