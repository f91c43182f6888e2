import { afterAll, beforeAll, expect, test } from 'vitest'
import { createMarketSource } from '../../../src/market/sources/create-source.ts'
import type { MarketFolder } from './market-folders.ts'
import { type MarketServer, startMarketServer } from './market-server.ts'

/** Loads a folder in an empty database, twice. */
export function testFolder({ folder, range, ...held }: MarketFolder): void {
  let server: MarketServer
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
}
