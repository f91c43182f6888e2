import { afterAll, describe, expect, test } from 'vitest'
import { createMarketSource } from '../../src/market/sources/create-source.ts'
import { createSampleSource } from '../../src/market/sources/sample.ts'
import { testFolder } from './support/folder-tests.ts'
import { generateFolder } from './support/market-folders.ts'
import { startMarketServer } from './support/market-server.ts'

const generated = await generateFolder('2019-04-29', '2019-05-17')
afterAll(() => generated.remove())

describe('a generated folder', () => testFolder(generated))

test('what was written down is what is stored: a generated folder gives the bars of the sample', async () => {
  const { folder, range } = generated
  const bars = `select symbol, date::text, open, high, low, close, volume, amount from daily_market_data order by 2, 1`
  const stored: unknown[] = []
  for (const source of [createSampleSource(), createMarketSource({ source: 'files', filesDir: folder })]) {
    const server = await startMarketServer(source)
    try {
      await server.run('init_stocks')
      await server.run('backfill_by_range', { startDate: range.startDate, endDate: '2019-05-08' })
      stored.push((await server.database.pool.query(bars)).rows)
    } finally {
      await server.close()
    }
  }
  expect(stored[0]).toEqual(stored[1])
  expect(stored[0]).not.toEqual([])
})
