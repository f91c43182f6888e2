import { afterEach, expect, test } from 'vitest'
import { type MarketServer, startMarketServer } from './support/market-server.ts'
import { bar, type Script, ScriptedSource, stock } from './support/scripted-source.ts'

/** A Monday; its week has five trading days. */
const MONDAY = '2025-12-01'
const WEEK = { startDate: MONDAY, endDate: '2025-12-05' }

let server: MarketServer
let source: ScriptedSource

afterEach(() => server.close())

/** A server whose stocks and boards are loaded. */
async function start(script: Partial<Script> = {}): Promise<void> {
  source = new ScriptedSource(script)
  server = await startMarketServer(source)
  await server.run('init_sectors')
  await server.run('init_stocks')
  source.takeRequests()
}

const loadMonday = (params: object = {}, maxRetries?: number) =>
  server.run('backfill_by_date', { targetDate: MONDAY, ...params }, maxRetries)

const requestsForBars = () => source.requests.filter((request) => request.startsWith('bars'))

const warningsOf = async (taskId: string) =>
  (await server.logs(taskId)).filter(({ level }) => level === 'WARNING').map(({ message }) => message)

async function storedBars(): Promise<string[]> {
  const { rows } = await server.database.pool.query(
    `select date::text || ' ' || symbol as bar from daily_market_data order by 1`,
  )
  return rows.map((row) => row.bar)
}

test("a day's bars are stored for the stocks that are loaded", async () => {
  await start({
    bars: { [MONDAY]: [bar('000001', MONDAY), bar('688981', MONDAY), bar('600519', MONDAY)] },
  })
  const ended = await loadMonday()
  expect(ended).toMatchObject({ status: 'completed', progress: 1, total: 1, percent: 100 })
  expect(ended.result).toEqual({
    created: 2,
    updated: 0,
    skipped: 0,
    invalid: 0,
    missing: 1,
    suspended: 0,
    unknown: 1,
    days: 1,
    daysComplete: 0,
    daysEmpty: 0,
  })
  const { rows } = await server.database.pool.query(
    `select entity_type, entity_id, symbol, date::text, open::float, high::float, low::float, close::float,
            volume::float, amount::float
       from daily_market_data
      where symbol = '000001'`,
  )
  expect(rows).toEqual([
    {
      entity_type: 'stock',
      entity_id: '000001',
      symbol: '000001',
      date: MONDAY,
      open: 10.1,
      high: 10.5,
      low: 9.9,
      close: 10.25,
      volume: 123_456,
      amount: 1_265_424.5,
    },
  ])
})

test('the target date is today in Shanghai unless told otherwise, and is kept with the task', async () => {
  await start()
  const ended = await server.run('backfill_by_date')
  expect(ended.params).toEqual({ targetDate: '2026-01-05', overwrite: false, targetType: 'all' })
  expect(await storedBars()).toHaveLength(3)
})

test.each([
  ['a Sunday', '2025-11-30', []],
  ['a holiday on a weekday', '2025-10-01', ['calendar 2025']],
])('%s completes with no rows and no request for bars', async (_what, targetDate, requests) => {
  await start({ closed: ['2025-10-01'] })
  const ended = await server.run('backfill_by_date', { targetDate })
  expect(ended).toMatchObject({ status: 'completed', progress: 0, total: 0, percent: 100 })
  expect(ended.result).toMatchObject({ created: 0, days: 0 })
  expect(source.requests).toEqual(requests)
  expect(await storedBars()).toEqual([])
})

test('a range without a trading day completes with no rows', async () => {
  await start({ closed: ['2025-10-01', '2025-10-02', '2025-10-03'] })
  const ended = await server.run('backfill_by_range', { startDate: '2025-10-01', endDate: '2025-10-05' })
  expect(ended).toMatchObject({ status: 'completed', percent: 100, result: { created: 0, days: 0 } })
})

test('a range loads every trading day between, over the end of a year', async () => {
  await start({ closed: ['2026-01-01', '2026-01-02'] })
  const ended = await server.run('backfill_by_range', { startDate: '2025-12-30', endDate: '2026-01-05' })
  expect(ended).toMatchObject({ status: 'completed', progress: 3, total: 3, result: { created: 9, days: 3 } })
  expect(new Set((await storedBars()).map((row) => row.slice(0, 10)))).toEqual(
    new Set(['2025-12-30', '2025-12-31', '2026-01-05']),
  )
})

test('a second run without overwrite asks for nothing that is complete, and writes nothing', async () => {
  await start()
  await server.run('backfill_by_range', WEEK)
  source.takeRequests()
  const stored = () => server.database.pool.query('select xmin, * from daily_market_data order by id')
  const { rows } = await stored()
  const ended = await server.run('backfill_by_range', WEEK)
  expect(ended.result).toMatchObject({ created: 0, updated: 0, days: 5, daysComplete: 5 })
  expect(ended).toMatchObject({ progress: 5, total: 5 })
  expect(source.requests).toEqual([])
  expect((await stored()).rows).toEqual(rows)
})

test('a day on which one stock lacks its bar is asked for again, and only that bar is written', async () => {
  await start({ bars: { [MONDAY]: [bar('000001', MONDAY), bar('300750', MONDAY)] } })
  await loadMonday()
  source.script.bars = {}
  const ended = await loadMonday()
  expect(ended.result).toMatchObject({ created: 1, skipped: 2 })
})

test('a stock lacks no bar of the days before it was listed', async () => {
  await start({ stocks: [stock('000001'), stock('688981', '中芯国际', '2025-12-03')] })
  source.script.bars = { [MONDAY]: [bar('000001', MONDAY)] }
  await loadMonday()
  source.takeRequests()
  await loadMonday()
  expect(source.requests).toEqual([])
})

test('without overwrite a bar that differs stays; with it, it is rewritten and the same one is not', async () => {
  await start()
  await loadMonday()
  source.script.bars = {
    [MONDAY]: [bar('000001', MONDAY, { close: 10.4 }), bar('300750', MONDAY), bar('600519', MONDAY)],
  }
  await server.database.pool.query(`delete from daily_market_data where symbol = '600519'`)

  const kept = await loadMonday()
  expect(kept.result).toMatchObject({ created: 1, updated: 0, skipped: 2 })
  const overwritten = await loadMonday({ overwrite: true })
  expect(overwritten.result).toMatchObject({ created: 0, updated: 1, skipped: 2 })
  const { rows } = await server.database.pool.query(
    'select symbol, close::float from daily_market_data order by symbol',
  )
  expect(rows).toEqual([
    { symbol: '000001', close: 10.4 },
    { symbol: '300750', close: 10.25 },
    { symbol: '600519', close: 10.25 },
  ])
})

test('one stock, or the loaded members of one board, are a target', async () => {
  await start()
  const one = await loadMonday({ targetType: 'stock', targetId: '600519' })
  expect(one.result).toMatchObject({ created: 1 })
  const days = { startDate: '2025-12-02', endDate: '2025-12-03' }
  const board = await server.run('backfill_by_range', { ...days, targetType: 'sector', targetId: 'C1' })
  expect(board.result).toMatchObject({ created: 2 })
  expect(await storedBars()).toEqual([`${MONDAY} 600519`, '2025-12-02 300750', '2025-12-03 300750'])
})

test.each([
  [{ targetType: 'stock', targetId: '999999' }, 'targetId: there is no stock 999999'],
  [{ targetType: 'sector', targetId: 'X9' }, 'targetId: there is no board X9; init_sectors loads them'],
  [{ targetType: 'sector', targetId: 'E1' }, 'targetId: no member of board E1 is among the stocks'],
])('the unknown target %j fails without a retry', async (target, error) => {
  await start({
    boards: [{ code: 'E1', name: '空', type: 'concept' }],
    members: { E1: ['688981'] },
  })
  const ended = await loadMonday(target, 3)
  expect(ended).toMatchObject({ status: 'failed', retryCount: 0, error })
  expect(requestsForBars()).toEqual([])
})

test('without stocks a backfill fails without a retry and says what to run first', async () => {
  source = new ScriptedSource()
  server = await startMarketServer(source)
  const ended = await loadMonday({}, 3)
  const error = 'there are no stocks yet: run init_stocks first'
  expect(ended).toMatchObject({ status: 'failed', retryCount: 0, error })
})

test('faulty bars are left out with a warning that names them; the others are stored', async () => {
  await start({
    bars: {
      [MONDAY]: [
        bar('000001', MONDAY, { high: 9, low: 11 }),
        bar('300750', '2025-11-28'),
        bar('600519', MONDAY, { volume: 0 }),
        bar('600519', MONDAY),
        bar('600519', MONDAY),
      ],
    },
  })
  const ended = await loadMonday()
  expect(ended.result).toMatchObject({ created: 1, invalid: 2, suspended: 1 })
  expect(await warningsOf(ended.taskId)).toEqual([`${MONDAY}: 2 bars are refused`])
})

test('a trading day without any bar is said, and does not fail the task', async () => {
  await start({ bars: { [MONDAY]: [], '2026-01-05': [] } })
  const past = await loadMonday()
  expect(past).toMatchObject({ status: 'completed', result: { created: 0, daysEmpty: 1 } })
  const today = await server.run('backfill_by_date')
  const warnings = await Promise.all([past, today].map(({ taskId }) => warningsOf(taskId)))
  expect(warnings.flat()).toEqual([
    `${MONDAY}: source 'scripted' has no bars for this trading day`,
    "2026-01-05: source 'scripted' has no bars yet; load the day again after the close",
  ])
})

test('weekdays that the calendar leaves out count as open, with a warning', async () => {
  await start()
  source.calendar = async () => []
  const ended = await server.run('backfill_by_range', WEEK)
  expect(ended.result).toMatchObject({ days: 5, created: 15 })
  const messages = (await server.logs(ended.taskId)).map(({ message }) => message)
  expect(messages.join()).toContain('the calendar lacks 5 weekdays')
})

test('a day that the source fails to give is done by the next attempt alone', async () => {
  await start()
  let failures = 1
  source.script.before = (request) => {
    if (request === 'bars 2025-12-03' && failures-- > 0) throw new Error('HTTP 502')
  }
  const ended = await server.run('backfill_by_range', { ...WEEK, overwrite: true }, 1)
  expect(ended).toMatchObject({ status: 'completed', retryCount: 1, result: { created: 3 } })
  expect(ended.attempts[0]?.error).toBe('1 of 5 trading days failed: 2025-12-03 (HTTP 502)')
  const days = ['2025-12-01', '2025-12-02', '2025-12-03', '2025-12-04', '2025-12-05', '2025-12-03']
  expect(requestsForBars()).toEqual(days.map((day) => `bars ${day}`))
  expect(await storedBars()).toHaveLength(15)
})

test('when a day fails for good, the others are kept and the task fails by its name', async () => {
  await start()
  source.script.before = (request) => {
    if (request === 'bars 2025-12-03') throw new Error('HTTP 502')
  }
  const ended = await server.run('backfill_by_range', WEEK, 1)
  const error = '1 of 5 trading days failed: 2025-12-03 (HTTP 502)'
  expect(ended).toMatchObject({ status: 'failed', retryCount: 1, error })
  expect(await storedBars()).toHaveLength(12)
})

test('ten failures in a row end the attempt', async () => {
  await start()
  source.script.before = (request) => {
    if (request.startsWith('bars')) throw new Error('socket hang up')
  }
  const ended = await server.run('backfill_by_range', { startDate: '2025-06-02', endDate: '2025-12-31' })
  expect(ended).toMatchObject({
    status: 'failed',
    error: expect.stringMatching(/^10 of 153 trading days failed: /),
  })
  // One more was under way.
  expect(requestsForBars().length).toBeLessThanOrEqual(11)
})

test('run again after it has completed, a task does all of its work again', async () => {
  await start()
  const ended = await loadMonday({ overwrite: true })
  source.script.bars = { [MONDAY]: [bar('000001', MONDAY, { close: 10.4 })] }
  await server.engine.manager.retryTask(ended.taskId)
  const again = await server.engine.manager.waitFor(ended.taskId, { timeoutMs: 10_000 })
  expect(again.result).toMatchObject({ updated: 1 })
})

test('overlapping ranges at once leave every bar once', async () => {
  await start()
  const range = { startDate: '2025-10-01', endDate: '2025-12-05' }
  const ended = await Promise.all([
    server.run('backfill_by_range', { ...range, overwrite: true }),
    server.run('backfill_by_range', range),
  ])
  expect(ended.map(({ status }) => status)).toEqual(['completed', 'completed'])
  const created = ended.map(({ result }) => Object(result).created).reduce((sum, count) => sum + count)
  expect(created).toBe(48 * 3)
  expect(await server.count('daily_market_data')).toBe(48 * 3)
})
