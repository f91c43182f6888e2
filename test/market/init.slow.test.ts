import { afterEach, expect, test } from 'vitest'
import { type MarketServer, startMarketServer } from './support/market-server.ts'
import { ScriptedSource, stock } from './support/scripted-source.ts'

let server: MarketServer

afterEach(() => server.close())

async function relations(): Promise<string[]> {
  const { rows } = await server.database.pool.query(
    `select sector_code || '/' || stock_code as pair from sector_stocks order by 1`,
  )
  return rows.map(({ pair }) => pair)
}

test('init_sectors loads boards and members, stocks that are not loaded yet included', async () => {
  server = await startMarketServer(new ScriptedSource())
  const ended = await server.run('init_sectors')
  expect(ended).toMatchObject({ status: 'completed', error: null, percent: 100, progress: 2, total: 2 })
  expect(ended.result).toEqual({
    created: 2,
    updated: 0,
    skipped: 0,
    invalid: 0,
    industries: 1,
    concepts: 1,
    relationsCreated: 3,
    relationsSkipped: 0,
  })
  expect(await relations()).toEqual(['C1/300750', 'C1/688981', 'I1/000001'])
  expect(await server.count('stocks')).toBe(0)
})

test('init_sectors of one type asks for that type', async () => {
  const source = new ScriptedSource()
  server = await startMarketServer(source)
  const ended = await server.run('init_sectors', { sectorType: 'concept' })
  expect(ended.result).toMatchObject({ created: 1, industries: 0, concepts: 1 })
  expect(source.requests).toEqual(['boards', 'members C1'])
})

test('a second init_sectors refreshes names, adds members and takes nothing away', async () => {
  const source = new ScriptedSource()
  server = await startMarketServer(source)
  await server.run('init_sectors')
  source.script.boards = [{ code: 'I1', name: '大银行', type: 'industry' }]
  source.script.members = { I1: ['600036', '600036'] }
  const ended = await server.run('init_sectors')
  expect(ended.result).toMatchObject({ created: 0, updated: 1, skipped: 0, relationsCreated: 1 })
  expect(await relations()).toEqual(['C1/300750', 'C1/688981', 'I1/000001', 'I1/600036'])
  const { rows } = await server.database.pool.query('select code, name, type from sectors order by code')
  expect(rows).toEqual([
    { code: 'C1', name: '锂电池', type: 'concept' },
    { code: 'I1', name: '大银行', type: 'industry' },
  ])
})

test('a board without members keeps those that it had', async () => {
  const source = new ScriptedSource()
  server = await startMarketServer(source)
  await server.run('init_sectors')
  source.script.members = {}
  const ended = await server.run('init_sectors')
  expect(ended).toMatchObject({ status: 'completed', result: { skipped: 2, relationsCreated: 0 } })
  expect(await relations()).toHaveLength(3)
})

test('an empty list of boards or stocks fails the attempt and removes nothing', async () => {
  const source = new ScriptedSource()
  server = await startMarketServer(source)
  await server.run('init_sectors')
  await server.run('init_stocks')
  source.script.boards = []
  source.script.stocks = []
  expect(await server.run('init_sectors')).toMatchObject({
    status: 'failed',
    error: expect.stringMatching(/empty list of boards/),
  })
  expect(await server.run('init_stocks')).toMatchObject({
    status: 'failed',
    error: expect.stringMatching(/empty list of stocks/),
  })
  expect(await server.count('sectors')).toBe(2)
  expect(await server.count('stocks')).toBe(3)
})

test('boards and stocks that cannot be stored are left out, with a warning', async () => {
  const source = new ScriptedSource({
    boards: [
      { code: 'I1', name: '银行', type: 'industry' },
      { code: '', name: '无', type: 'industry' },
      { code: 'x'.repeat(21), name: '长', type: 'industry' },
    ],
    stocks: [stock('000001'), stock('000002', '  ')],
  })
  server = await startMarketServer(source)
  const sectors = await server.run('init_sectors')
  expect(sectors.result).toMatchObject({ created: 1, invalid: 2 })
  const stocks = await server.run('init_stocks')
  expect(stocks.result).toMatchObject({ created: 1, invalid: 1 })
  expect((await server.logs(stocks.taskId)).map(({ level }) => level)).toContain('WARNING')
})

test('a board whose members fail is done by the next attempt alone', async () => {
  let failures = 1
  const source = new ScriptedSource({
    before: (request) => {
      if (request === 'members I1' && failures-- > 0) throw new Error('socket hang up')
    },
  })
  server = await startMarketServer(source)
  const ended = await server.run('init_sectors', {}, 1)
  expect(ended).toMatchObject({ status: 'completed', retryCount: 1, progress: 2, total: 2 })
  expect(source.requests).toEqual(['boards', 'members I1', 'members C1', 'boards', 'members I1'])
  expect(ended.attempts[0]?.error).toBe('1 of 2 boards failed: I1 银行 (socket hang up)')
  expect(await relations()).toHaveLength(3)
  expect(await server.count('market_finished_units')).toBe(0)
})

test('init_stocks loads the list in chunks and counts its progress in stocks', async () => {
  const stocks = Array.from({ length: 1_201 }, (_, index) => stock(String(600_000 + index)))
  server = await startMarketServer(new ScriptedSource({ stocks }))
  const ended = await server.run('init_stocks')
  expect(ended).toMatchObject({ status: 'completed', progress: 1_201, total: 1_201 })
  expect(ended.result).toEqual({ created: 1_201, updated: 0, skipped: 0, invalid: 0 })
  expect(await server.count('stocks')).toBe(1_201)
})

test('a second init_stocks refreshes names and list dates; a stock that left the list stays', async () => {
  const source = new ScriptedSource({
    stocks: [
      stock('000001', '平安银行', '1991-04-03'),
      stock('000002', '万  科Ａ'),
      stock('300001', 'N特锐德'),
      stock('000003', 'PT金田Ａ'),
    ],
  })
  server = await startMarketServer(source)
  await server.run('init_stocks')
  source.script.stocks = [
    stock('000001', '平安银行'),
    stock('000002', '万  科Ａ', '1991-01-29'),
    stock('300001', '特锐德'),
    stock('300001', '特锐德'),
  ]
  const ended = await server.run('init_stocks')
  expect(ended.result).toEqual({ created: 0, updated: 2, skipped: 1, invalid: 0 })
  const { rows } = await server.database.pool.query(
    'select symbol, name, list_date::text as listed from stocks order by symbol',
  )
  expect(rows).toEqual([
    { symbol: '000001', name: '平安银行', listed: '1991-04-03' },
    { symbol: '000002', name: '万  科Ａ', listed: '1991-01-29' },
    { symbol: '000003', name: 'PT金田Ａ', listed: null },
    { symbol: '300001', name: '特锐德', listed: null },
  ])
})

test('a list that shrank is said, and removes nothing', async () => {
  const source = new ScriptedSource()
  server = await startMarketServer(source)
  await server.run('init_stocks')
  source.script.stocks = [stock('000001')]
  const ended = await server.run('init_stocks')
  const messages = (await server.logs(ended.taskId)).map(({ message }) => message)
  expect(messages).toContainEqual('the list names 1 stocks where 3 are known; none is removed')
  expect(await server.count('stocks')).toBe(3)
})

test('every market task logs its start and a summary', async () => {
  server = await startMarketServer(new ScriptedSource())
  const tasks = [
    await server.run('init_sectors'),
    await server.run('init_stocks'),
    await server.run('backfill_by_date', { targetDate: '2025-12-01' }),
    await server.run('backfill_by_date', { targetDate: '2025-11-30' }),
    await server.run('backfill_by_range', { startDate: '2025-12-01', endDate: '2025-12-03' }),
  ]
  for (const { taskId, taskType } of tasks) {
    const logs = await server.logs(taskId)
    expect(logs.filter(({ level }) => level === 'INFO').length, taskType).toBeGreaterThanOrEqual(2)
    expect(logs[0]?.message, taskType).toMatch(/^(loading|backfilling)/)
  }
})

test('two runs of the same task at once leave the rows of one', async () => {
  const source = new ScriptedSource()
  server = await startMarketServer(source)
  const ended = await Promise.all([server.run('init_sectors'), server.run('init_sectors')])
  expect(ended.map(({ status }) => status)).toEqual(['completed', 'completed'])
  expect(await relations()).toHaveLength(3)
})
