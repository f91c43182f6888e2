import { afterEach, beforeEach, expect, test } from 'vitest'
import { createMarketSource } from '../../src/market/sources/create-source.ts'
import { dailyRow, FakeTushare } from './fake-tushare.ts'
import { type MarketServer, startMarketServer } from './support/market-server.ts'

const CODES = ['000001.SZ', '300750.SZ', '600519.SH']

let tushare: FakeTushare
let server: MarketServer

beforeEach(async () => {
  tushare = new FakeTushare({
    stock_basic: CODES.map((code) => ({
      ts_code: code,
      name: code,
      list_date: '20100101',
      list_status: 'L',
    })),
    trade_cal: [0, 1, 1, 1].map((isOpen, index) => ({ cal_date: `2026041${index + 3}`, is_open: isOpen })),
    ths_index: [{ ts_code: '885835.TI', name: '锂电池', exchange: 'A', type: 'N' }],
    ths_member: [{ ts_code: '885835.TI', con_code: '300750.SZ' }],
    daily: ['20260414', '20260415', '20260416'].flatMap((day) => CODES.map((code) => dailyRow(code, day))),
  })
  const url = await tushare.start()
  const source = createMarketSource({
    source: 'tushare',
    token: tushare.token,
    url,
    wait: () => Promise.resolve(),
  })
  server = await startMarketServer(source, { today: '2026-04-16' })
})

afterEach(async () => {
  await server.close()
  await tushare.stop()
})

const asked = () =>
  tushare.requests.map(({ api, params }) => [api, params.trade_date].filter(Boolean).join(' '))

test('all four tasks run over HTTP, a day a request', async () => {
  expect((await server.run('init_sectors')).result).toMatchObject({ created: 1, relationsCreated: 1 })
  expect((await server.run('init_stocks')).result).toMatchObject({ created: 3 })
  const range = await server.run('backfill_by_range', { startDate: '2026-04-13' })
  expect(range.result).toMatchObject({ created: 9, days: 3 })
  expect((await server.run('backfill_by_date')).result).toMatchObject({ created: 0, daysComplete: 1 })
  expect(asked()).toEqual([
    'ths_index',
    'ths_index',
    'ths_member',
    'stock_basic',
    'trade_cal',
    'daily 20260414',
    'daily 20260415',
    'daily 20260416',
  ])
})

test.each([
  ['wrong-token', '您的token不对'],
  ['no-permission', '没有接口访问权限'],
  ['hourly-quota', '每小时'],
  ['bad-params', '参数错误'],
] as const)('%s fails the task at once, with the reason and without the token', async (fault, reason) => {
  tushare.faults.push(fault)
  const ended = await server.run('init_stocks', {}, 3)
  expect(ended).toMatchObject({ status: 'failed', retryCount: 0, error: expect.stringContaining(reason) })
  expect(tushare.requests).toHaveLength(1)
  expect(JSON.stringify([ended, await server.logs(ended.taskId)])).not.toContain(tushare.token)
})

test('a request that fails on its way for good is retried by the task', async () => {
  tushare.faults.push('reset', 'server-error', 'truncated', 'reset')
  const ended = await server.run('init_stocks', {}, 1)
  expect(ended).toMatchObject({ status: 'completed', retryCount: 1 })
  expect(tushare.requests).toHaveLength(5)
})

test('a throttle costs no attempt', async () => {
  tushare.faults.push('throttled')
  const ended = await server.run('init_stocks', {}, 3)
  expect(ended).toMatchObject({ status: 'completed', retryCount: 0, result: { created: 3 } })
})

test('a day answered with faulty rows keeps the good one', async () => {
  await server.run('init_stocks')
  Object.assign(tushare.tables, {
    daily: [
      dailyRow('000001.SZ', '20260416', { high: 1, low: 20 }),
      dailyRow('300750.SZ', '20260416', { close: null }),
      dailyRow('600519.SH', '20260416'),
      dailyRow('600519.SH', '20260416'),
    ],
  })
  const ended = await server.run('backfill_by_date')
  expect(ended).toMatchObject({ status: 'completed', result: { created: 1, invalid: 2 } })
})
