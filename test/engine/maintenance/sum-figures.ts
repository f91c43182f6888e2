import { type Figures, sum } from '../../../src/engine/definition/figures.ts'
import { readFigures, type Span } from '../../../src/engine/store/figures.ts'
import type { Engine } from '../../support/engine.ts'

const LAST = { 1: 60, 15: 96, 60: 168 } as const

/** The figures of an hour, a day or a week together. */
export async function sumFigures(
  { db }: Pick<Engine, 'db'>,
  span: Span = 1,
  taskType: string | null = null,
): Promise<Figures> {
  const spans = await readFigures(db, { span, count: LAST[span], taskType })
  return sum(spans.map(({ figures }) => figures))
}
