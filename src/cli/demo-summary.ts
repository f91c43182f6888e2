import { z } from 'zod'
import type { TaskDetail } from '../contract/task.ts'

const stocks = z.object({ created: z.int() })
const boards = z.object({ industries: z.int(), concepts: z.int(), relationsCreated: z.int() })
const bars = z.object({ created: z.int(), days: z.int() })

/** What the four tasks loaded, from their results. */
export function describeLoaded(ended: ReadonlyMap<string, TaskDetail>): string {
  const resultOf = (taskType: string) => ended.get(taskType)?.result
  const { created } = stocks.parse(resultOf('init_stocks'))
  const { industries, concepts, relationsCreated } = boards.parse(resultOf('init_sectors'))
  const day = bars.parse(resultOf('backfill_by_date'))
  const year = bars.parse(resultOf('backfill_by_range'))
  return [
    `  ${count(created)} stocks`,
    `  ${count(industries)} industries and ${count(concepts)} concepts with ${count(relationsCreated)} members`,
    `  ${count(day.created + year.created)} daily bars of ${count(day.days + year.days)} trading days`,
  ].join('\n')
}

function count(value: number): string {
  return value.toLocaleString('en-GB')
}
