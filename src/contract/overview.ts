import { z } from 'zod'
import type { OverviewRange } from './overview-views.ts'
import { taskTypeName } from './requests.ts'
import { instant } from './task.ts'

export type {
  Backlog,
  Overview,
  OverviewByType,
  OverviewQuery,
  OverviewRange,
  OverviewSpan,
  Percentiles,
  TaskFigures,
  TypeOverview,
} from './overview-views.ts'

export const OVERVIEW_RANGES = ['1h', '24h', '7d'] as const satisfies readonly OverviewRange[]

export const overviewQuery = z.strictObject({
  range: z
    .enum(OVERVIEW_RANGES)
    .default('1h')
    .describe('In spans of a minute, of 15 minutes, or of an hour.'),
  taskType: taskTypeName.optional().describe('Default: all types.'),
})

export const overviewByTypeQuery = overviewQuery.pick({ range: true })

const count = z.int().min(0)

const percentiles = z
  .object({ count, p50: z.number().min(0), p95: z.number().min(0), p99: z.number().min(0) })
  .nullable()

const figures = z.object({
  completed: count,
  failed: count.describe('Failed for good.'),
  cancelled: count,
  retried: count.describe('Attempts that failed, or were lost, and are followed by another one.'),
  waiting: percentiles.describe(
    'Milliseconds from the due time of attempts to their start; null: none started.',
  ),
  running: percentiles.describe('Milliseconds from the start of attempts to their end; null: none ended.'),
})

const backlog = z
  .object({
    due: count.describe('Only a slot or a permit is missing.'),
    later: count,
    retrying: count.describe('Due later, after a failure; of a type, at most 10,000 are counted.'),
    paused: count,
    unserved: count.describe('Of types that no live executor has registered.'),
  })
  .describe('Pending tasks, each counted once.')

/** What happened lately, and what waits. */
export const overview = z.object({
  range: z.enum(OVERVIEW_RANGES),
  taskType: z.string().nullable(),
  spanSeconds: count,
  spans: z.array(figures.extend({ at: instant })).describe('Oldest first; the last one is incomplete.'),
  whole: figures,
  backlog,
  slots: z.object({ used: count, all: count }).describe('Of live executors.'),
})

const countsOfSpans = z.array(count).describe('In each span, oldest first; the last one is incomplete.')

export const overviewByType = z.object({
  range: z.enum(OVERVIEW_RANGES),
  spanSeconds: count,
  types: z.array(
    z.object({
      taskType: z.string(),
      whole: figures,
      ended: countsOfSpans,
      failed: countsOfSpans,
      running: count,
      backlog,
    }),
  ),
})
