import { z } from 'zod'
import type { HealthCode, HealthLevel } from './health-views.ts'

export type { Health, HealthCode, HealthLevel, HealthReason } from './health-views.ts'

export const HEALTH_LEVELS = ['green', 'amber', 'red'] as const satisfies readonly HealthLevel[]

export const HEALTH_CODES = [
  'DATABASE_AWAY',
  'EXECUTOR_UNHEALTHY',
  'NO_EXECUTOR',
  'EXECUTOR_DIED',
  'HEARTBEAT_LATE',
  'HANDLERS_STUCK',
  'SLOTS_FULL',
  'TYPE_UNSERVED',
  'TASKS_FAIL',
  'SCHEDULE_FAILED',
  'EVENT_LOOP_BLOCKED',
  'TASKS_DELAYED',
] as const satisfies readonly HealthCode[]

const names = z.array(z.string()).optional()

const reason = z.object({
  code: z.enum(HEALTH_CODES),
  level: z.enum(['amber', 'red']),
  text: z.string().describe('In English, without names.'),
})

const evidence = z
  .object({ taskIds: names, taskTypes: names, executorIds: names, schedules: names })
  .describe('Where to look: at most 20 names of each kind.')

const level = z.enum(HEALTH_LEVELS).describe('The worst of the reasons; `green` without any.')

/** Whether tasks run, in time and with success. */
export const health = z.object({
  level,
  reasons: z.array(reason.extend({ evidence })),
})

/** For those without credentials, the codes alone. */
export const healthForAll = z.object({
  level,
  reasons: z.array(reason.extend({ evidence }).partial().required({ code: true })),
})
