import { CREATE_MEASURES } from './measures/create.ts'
import type { Measure } from './measures/measure.ts'
import { PICK_UP_MEASURES } from './measures/pick-up.ts'
import { RUN_MEASURES } from './measures/run.ts'

export const MEASURES: readonly Measure[] = [...CREATE_MEASURES, ...RUN_MEASURES, ...PICK_UP_MEASURES]
