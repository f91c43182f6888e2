import { inspect } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { PermanentError } from '../../src/engine/definition/errors.ts'
import type { MarketSource } from '../../src/market/sources/source.ts'
import { createTushareSource } from '../../src/market/sources/tushare.ts'
import type { TushareOptions } from '../../src/market/sources/tushare-client.ts'
import { dailyRow, FakeTushare } from './fake-tushare.ts'
import { recordingCall } from './support/scripted-source.ts'

let call: ReturnType<typeof recordingCall>
const DAY = '2026-04-15'

let tushare: FakeTushare
let url: string
let source: MarketSource
/** Waits that the adapter asked for; they are over at once. */
let waits: number[]

beforeEach(async () => {
  call = recordingCall()
  tushare = new FakeTushare({
    daily: ['000001.SZ', '300750.SZ', '600519.SH', '920001.BJ'].map((code) => dailyRow(code, '20260415')),
    stock_basic: [
      { ts_code: '000001.SZ', name: '平安银行', list_date: '19910403', list_status: 'L' },
      { ts_code: '000003.SZ', name: 'PT金田A', list_date: '19910703', list_status: 'D' },
      { ts_code: '900901.SH', name: '云赛B股', list_date: '19920221', list_status: 'L' },
    ],
    trade_cal: [
      { exchange: 'SSE', cal_date: '20260415', is_open: '1' },
      { exchange: 'SSE', cal_date: '20260414', is_open: 1 },
      { exchange: 'SSE', cal_date: '20260412', is_open: '0' },
      { exchange: 'SSE', cal_date: '20260411', is_open: 0 },
    ],
    ths_index: [
      { ts_code: '881155.TI', name: '银行', exchange: 'A', type: 'I' },
      { ts_code: '885835.TI', name: '锂电池', exchange: 'A', type: 'N' },
      { ts_code: '700001.TI', name: '美股', exchange: 'US', type: 'N' },
    ],
    ths_member: [
      { ts_code: '881155.TI', con_code: '000001.SZ' },
      { ts_code: '881155.TI', con_code: '00939.HK' },
      { ts_code: '885835.TI', con_code: '300750.SZ' },
    ],
  })
  url = await tushare.start()
  waits = []
  source = createSource()
})

afterEach(() => tushare.stop())

function createSource(options: Partial<TushareOptions> = {}): MarketSource {
  return createTushareSource({
    token: tushare.token,
    url,
    wait: async (ms) => void waits.push(ms),
    random: () => 0,
    ...options,
  })
}

test("a whole market's day is one request, in shares and yuan", async () => {
  const bars = await source.dailyBars(DAY, call)
  expect(bars.map(({ symbol }) => symbol)).toEqual(['000001', '300750', '600519', '920001'])
  expect(bars[0]).toEqual({
    symbol: '000001',
    date: DAY,
    open: 11.1,
    high: 11.3,
    low: 10.9,
    close: 11.16,
    volume: 53_938_632,
    amount: 498_695_109,
  })
  expect(tushare.requests).toHaveLength(1)
  expect(tushare.requests[0]?.params).toMatchObject({ trade_date: '20260415' })
})

test('single stocks are asked for by their codes', async () => {
  const bars = await source.dailyBars(DAY, call, ['600519', '920001'])
  expect(bars.map(({ symbol }) => symbol)).toEqual(['600519', '920001'])
  expect(tushare.requests[0]?.params).toMatchObject({ ts_code: '600519.SH,920001.BJ' })
})

test('missing values stay missing; a value that cannot be read costs its row', async () => {
  Object.assign(tushare.tables.daily ?? [], [
    dailyRow('000001.SZ', '20260415', { close: null, vol: null }),
    { ...dailyRow('300750.SZ', '20260415'), trade_date: '20260415', amount: 'n/a' },
  ])
  expect(await source.dailyBars(DAY, call)).toMatchObject([{ close: null, volume: null }, {}, {}])
})

test('the calendar takes is_open as text and as number', async () => {
  expect(await source.calendar('2026-04-11', '2026-04-15', call)).toEqual([
    { day: '2026-04-15', isOpen: true },
    { day: '2026-04-14', isOpen: true },
    { day: '2026-04-12', isOpen: false },
    { day: '2026-04-11', isOpen: false },
  ])
})

test('stocks are the listed A-shares', async () => {
  expect(await source.stocks(call)).toEqual([{ symbol: '000001', name: '平安银行', listDate: '1991-04-03' }])
})

test('boards are those of Tonghuashun, members what trades in mainland China', async () => {
  const boards = await source.boards(undefined, call)
  expect(boards).toEqual([
    { code: '881155.TI', name: '银行', type: 'industry' },
    { code: '885835.TI', name: '锂电池', type: 'concept' },
  ])
  expect(await source.boards('concept', call)).toEqual(boards.slice(1))
  expect(await source.boardMembers({ code: '881155.TI', name: '银行', type: 'industry' }, call)).toEqual([
    '000001',
  ])
})

test('pages are read to the end, short ones and repeated rows included', async () => {
  tushare.maxPage = 2
  tushare.faults.push('short-page')
  const bars = await source.dailyBars(DAY, call)
  expect(bars.map(({ symbol }) => symbol)).toEqual(['000001', '300750', '600519', '920001'])
  expect(tushare.requests.map(({ params }) => params.offset)).toEqual([0, 1, 3])
})

test('without has_more a page that is not full is the last', async () => {
  tushare.sendHasMore = false
  expect(await source.dailyBars(DAY, call)).toHaveLength(4)
  expect(tushare.requests).toHaveLength(1)
})

test.each([
  ['reset', /ECONNRESET|socket/],
  ['server-error', /HTTP 502/],
  ['truncated', /not JSON/],
  ['not-an-envelope', /not in Tushare's form/],
  ['passing-server', /服务器错误/],
  ['passing-system', /系统内部错误/],
  ['passing-later', /稍后再试/],
  ['unheard-of', /refused without a reason/],
] as const)(
  'after %s the request is tried again, 1, 2 and 4 s later, then given up',
  async (fault, message) => {
    tushare.faults.push(fault, fault)
    expect(await source.dailyBars(DAY, call)).toHaveLength(4)
    expect(waits).toEqual([1_000, 2_000])

    tushare.faults.push(fault, fault, fault, fault)
    waits.length = 0
    const failing = source.dailyBars(DAY, call)
    await expect(failing).rejects.toThrow(message)
    await expect(failing).rejects.not.toThrow(PermanentError)
    expect(waits).toEqual([1_000, 2_000, 4_000])
  },
)

test.each([true, false])(
  'a server that ignores offsets ends at the first repeated page (has_more: %s)',
  async (sent) => {
    tushare.ignoresOffset = true
    tushare.maxPage = 2
    tushare.sendHasMore = sent
    const failing = source.dailyBars(DAY, call)
    if (sent) await expect(failing).rejects.toThrow(/the page at offset 2 repeats earlier rows/)
    else await expect(failing).resolves.toHaveLength(2)
    expect(tushare.requests.length).toBeLessThanOrEqual(2)
  },
)

test('a server that sends new rows without end is refused', async () => {
  const row = dailyRow('000001.SZ', '20260415')
  const endless = new FakeTushare({
    daily: Array.from({ length: 120_000 }, (_, index) => ({ ...row, vol: index })),
  })
  const source = createSource({ token: endless.token, url: await endless.start() })
  await expect(source.dailyBars(DAY, call)).rejects.toThrow(/daily: more than 100000 rows/)
  await endless.stop()
})

test('a redirect to another origin is named and not followed: the token stays here', async () => {
  const other = new FakeTushare({})
  const origin = await other.start()
  tushare.redirectsTo = `${origin}/somewhere?secret=1`
  const failing = source.dailyBars(DAY, call)
  await expect(failing).rejects.toThrow(PermanentError)
  await expect(failing).rejects.toThrow(`a redirect to ${origin}, is not followed; check TUSHARE_URL`)
  expect(other.requests).toEqual([])
  await other.stop()
})

test('an answer that lacks a column is refused by name', async () => {
  tushare.faults.push('lacks-column')
  await expect(source.dailyBars(DAY, call)).rejects.toThrow('tushare daily: the response lacks ts_code')
})

test('a request without an answer counts as failed when its time is over', async () => {
  source = createSource({ requestTimeoutMs: 500 })
  tushare.faults.push('slow')
  expect(await source.dailyBars(DAY, call)).toHaveLength(4)
  expect(waits[0]).toBe(1_000)
})

test.each(['throttled', 'throttled-short', 'throttled-minute'] as const)(
  '%s: the next minute is waited for',
  async (fault) => {
    tushare.faults.push(fault)
    expect(await source.dailyBars(DAY, call)).toHaveLength(4)
    expect(waits).toEqual([60_000])
    expect(call.notes).toEqual([expect.stringContaining('waiting for the next minute')])
  },
)

test('an allowance a minute is waited out as often as needed, and no more than ten times', async () => {
  tushare.allowance = 0
  source = createSource({
    wait: async (ms) => {
      waits.push(ms)
      if (waits.length === 3) tushare.allowance = 5
    },
  })
  expect(await source.dailyBars(DAY, call)).toHaveLength(4)
  expect(waits).toEqual([60_000, 60_000, 60_000])

  tushare.allowance = 0
  source = createSource()
  waits.length = 0
  await expect(source.dailyBars(DAY, call)).rejects.toThrow(/每分钟/)
  expect(waits).toHaveLength(10)
})

test.each([
  ['wrong-token', /token.*check TUSHARE_TOKEN/],
  ['no-permission', /no permission/],
  ['hourly-quota', /quota is used up/],
  ['bad-params', /参数错误/],
] as const)('%s is permanent, and asked for once', async (fault, message) => {
  tushare.faults.push(fault)
  const failing = source.dailyBars(DAY, call)
  await expect(failing).rejects.toThrow(PermanentError)
  await expect(failing).rejects.toThrow(message)
  expect(tushare.requests).toHaveLength(1)
  expect(waits).toEqual([])
})

test('jitter lengthens a wait by up to a half', async () => {
  source = createSource({ random: () => 0.5 })
  tushare.faults.push('server-error')
  await source.dailyBars(DAY, call)
  expect(waits).toEqual([1_250])
})

test('no error holds the token', async () => {
  const token = 'a-token-of-somebody-else'
  source = createSource({ token })
  const wrong = await source.stocks(call).catch((error: unknown) => error)
  expect(inspect(wrong, { depth: 5 })).not.toContain(token)

  source = createSource({ token, url: `http://user:${token}@127.0.0.1:1` })
  const unreachable = await source.stocks(call).catch((error: unknown) => error)
  expect(unreachable).toBeInstanceOf(Error)
  expect(inspect(unreachable, { depth: 5 })).not.toContain(token)
})

test('an abort ends a request under way and a wait, with its reason', async () => {
  const reason = new Error('cancelled')
  const first = new AbortController()
  tushare.faults.push('slow')
  const hanging = source.stocks(recordingCall(first.signal))
  await expect.poll(() => tushare.requests.length).toBe(1)
  first.abort(reason)
  await expect(hanging).rejects.toBe(reason)

  // The real wait, a minute long.
  source = createTushareSource({ token: tushare.token, url })
  const second = new AbortController()
  tushare.faults.push('throttled')
  const waiting = source.stocks(recordingCall(second.signal))
  await expect.poll(() => tushare.requests.length).toBe(2)
  second.abort(reason)
  await expect(waiting).rejects.toBe(reason)

  await expect(source.stocks(recordingCall(AbortSignal.abort(reason)))).rejects.toBe(reason)
  expect(tushare.requests).toHaveLength(2)
})

test('one rate limit holds for all who use the source', async () => {
  source = createSource({ requestsPerMinute: 3 })
  const closing = new AbortController()
  let answered = 0
  const asked = Array.from({ length: 5 }, async () => {
    await source.dailyBars(DAY, recordingCall(closing.signal))
    answered += 1
  })
  const outcomes = Promise.allSettled(asked)
  await expect.poll(() => answered).toBe(3)
  closing.abort(new Error('enough'))
  expect((await outcomes).filter(({ status }) => status === 'rejected')).toHaveLength(2)
  expect(tushare.requests).toHaveLength(3)
})
