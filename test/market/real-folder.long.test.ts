import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe } from 'vitest'
import { testFolder } from './support/folder-tests.ts'

/** Kept beside the clone: too big, and not ours, to be committed. */
const folder = fileURLToPath(new URL('../../../shared/market-data', import.meta.url))

describe.runIf(existsSync(folder))('real bars of 2019', () =>
  testFolder({
    folder,
    range: { startDate: '2019-01-01', endDate: '2019-06-28' },
    industries: 71,
    concepts: 163,
    relations: 16_000,
    stocks: 1_000,
    days: 118,
    bars: 117_002,
  }),
)
