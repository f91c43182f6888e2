import { z } from 'zod'
import { addDays, countDays, type Day, FIRST_TRADING_DAY } from '../days.ts'
import { BOARD_TYPES } from '../sources/source.ts'

/** Calendar days that one range may span, both ends counted. */
const MAX_RANGE_DAYS = 365
/** As long as a board's code may be. */
const MAX_TARGET_ID_CHARS = 20

const overwrite = z.boolean().default(false).describe('Rewrite bars that are there and differ.')
const target = {
  targetType: z
    .enum(['all', 'sector', 'stock'])
    .default('all')
    .describe('Whose bars: every stock, the members of a board, or one stock.'),
  targetId: z
    .string()
    .min(1)
    .max(MAX_TARGET_ID_CHARS)
    .optional()
    .describe("A board's code or a stock's six digits; required unless targetType is 'all'."),
}

export const initStocksParams = z.strictObject({})

export const initSectorsParams = z.strictObject({
  sectorType: z.enum(BOARD_TYPES).optional().describe('Boards of this type only. Default: both.'),
})

/** @param today when a task is created, the day is stored with it, so a later run works on the same day */
export function backfillByDateParams(today: () => Day) {
  return z
    .strictObject({ targetDate: tradableDay(today).default(today), overwrite, ...target })
    .superRefine(checkTarget)
}

/** @param today see `backfillByDateParams` */
export function backfillByRangeParams(today: () => Day) {
  return z
    .strictObject({
      startDate: tradableDay(today),
      endDate: tradableDay(today).default(today),
      overwrite,
      ...target,
    })
    .superRefine(checkTarget)
    .superRefine(checkRange)
}

/** What the two backfills have in common. */
export interface BackfillTarget {
  readonly overwrite: boolean
  readonly targetType: 'all' | 'sector' | 'stock'
  readonly targetId?: string | undefined
}

function tradableDay(today: () => Day) {
  // Each aborts: what compares two dates is not asked about one that is none.
  return z.iso
    .date({ error: 'must be a date that exists, as YYYY-MM-DD', abort: true })
    .refine((day) => day >= FIRST_TRADING_DAY, {
      error: `must not be before ${FIRST_TRADING_DAY}, the first trading day there was`,
      abort: true,
    })
    .refine((day) => day <= today(), {
      error: () => `must not be in the future: it is ${today()} in Asia/Shanghai`,
      abort: true,
    })
    .describe('YYYY-MM-DD in Asia/Shanghai.')
}

function checkTarget({ targetType, targetId }: BackfillTarget, ctx: z.RefinementCtx): void {
  const refuse = (message: string) => ctx.addIssue({ code: 'custom', path: ['targetId'], message })
  if (targetType === 'all') {
    // Left out by mistake, targetType would turn one stock's backfill into the whole market's.
    if (targetId !== undefined) refuse("goes only with targetType 'sector' or 'stock'")
  } else if (targetId === undefined) {
    refuse(`is required when targetType is '${targetType}'`)
  } else if (targetType === 'stock' && !/^\d{6}$/.test(targetId)) {
    refuse("must be a stock's six digits, such as 600519")
  }
}

function checkRange(range: { startDate: Day; endDate: Day }, ctx: z.RefinementCtx): void {
  const { startDate, endDate } = range
  if (startDate > endDate) {
    ctx.addIssue({
      code: 'custom',
      path: ['startDate'],
      message: `must not be after endDate (${endDate})`,
    })
  } else if (countDays(startDate, endDate) > MAX_RANGE_DAYS) {
    const last = addDays(startDate, MAX_RANGE_DAYS - 1)
    ctx.addIssue({
      code: 'custom',
      path: ['endDate'],
      message: `must be ${last} or earlier: a range has at most ${MAX_RANGE_DAYS} days, both ends counted`,
    })
  }
}
