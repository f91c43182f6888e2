import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createMarketSource } from '../../src/market/sources/create-source.ts'
import { createSampleSource } from '../../src/market/sources/sample.ts'
import { openMarketFolders } from './support/market-folders.ts'
import { type MarketServer, startMarketServer } from './support/market-server.ts'

const folders = await openMarketFolders()
let server: MarketServer

afterAll(() => Promise.all(folders.map((folder) => folder.remove())))

describe.each(folders)('$name', ({ folder, range, ...held }) => {
  beforeAll(async () => {
    server = await startMarketServer(createMarketSource({ source: 'files', filesDir: folder }))
  })
  afterAll(() => server.close())

  test('loads wholly', async () => {
    expect(await server.run('init_sectors')).toMatchObject({
      status: 'completed',
      result: {
        industries: held.industries,
        concepts: held.concepts,
        relationsCreated: held.relations,
      },
    })
    expect((await server.run('init_stocks')).result).toMatchObject({ created: held.stocks })
    expect(await server.run('backfill_by_range', range)).toMatchObject({
      status: 'completed',
      progress: held.days,
      total: held.days,
      result: { created: held.bars, invalid: 0, unknown: 0, days: held.days },
    })
    expect(await server.count('sectors')).toBe(held.industries + held.concepts)
    expect(await server.count('sector_stocks')).toBe(held.relations)
    expect(await server.count('daily_market_data')).toBe(held.bars)
  })

  test('a second run writes nothing', async () => {
    const lastXmin = 'select max(xmin::text::bigint) as xmin from daily_market_data'
    const before = await server.database.pool.query(lastXmin)
    for (const overwrite of [false, true]) {
      const again = await server.run('backfill_by_range', { ...range, overwrite })
      expect(again.result).toMatchObject({ created: 0, updated: 0 })
    }
    expect((await server.database.pool.query(lastXmin)).rows).toEqual(before.rows)
    expect((await server.run('init_sectors')).result).toMatchObject({ created: 0, relationsCreated: 0 })
    expect((await server.run('init_stocks')).result).toMatchObject({ created: 0, updated: 0 })
  })
})

test('what was written down is what is stored: a generated folder gives the bars of the sample', async () => {
  const [generated] = folders
  if (!generated) throw new Error('there is always a generated folder')
  const { folder, range } = generated
  const bars = `select symbol, date::text, open, high, low, close, volume, amount from daily_market_data order by 2, 1`
  const stored: unknown[] = []
  for (const source of [createSampleSource(), createMarketSource({ source: 'files', filesDir: folder })]) {
    server = await startMarketServer(source)
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
