import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

type Row = Readonly<Record<string, string | number | null>>
type Tables = Readonly<Record<string, readonly Row[]>>

export interface Request {
  readonly api: string
  readonly params: Readonly<Record<string, string | number>>
  readonly fields: readonly string[]
}

/** What goes wrong with one request. */
export type Fault =
  | 'reset'
  | 'server-error'
  | 'truncated'
  | 'not-an-envelope'
  | 'slow'
  | 'short-page'
  | 'wrong-token'
  | 'no-permission'
  | 'hourly-quota'
  | 'throttled'
  | 'throttled-short'
  | 'throttled-minute'
  | 'passing-server'
  | 'passing-system'
  | 'passing-later'
  | 'unheard-of'
  | 'bad-params'
  | 'lacks-column'

const REFUSALS: Partial<Record<Fault, { code: number; msg: string }>> = {
  'wrong-token': { code: 40101, msg: '您的token不对，请确认。' },
  'no-permission': {
    code: 40203,
    msg: '抱歉，您没有接口访问权限，权限的具体详情访问：https://tushare.pro/document/1?doc_id=108。',
  },
  'hourly-quota': {
    code: 40203,
    msg: '抱歉，您每小时最多访问该接口1次，权限的具体详情访问：https://tushare.pro/document/1?doc_id=108。',
  },
  throttled: {
    code: 40203,
    msg: '抱歉，您每分钟最多访问该接口200次，权限的具体详情访问：https://tushare.pro/document/1?doc_id=108。',
  },
  'throttled-short': { code: 40203, msg: '访问接口(daily)频率超限(300次/分钟)' },
  'bad-params': { code: -1, msg: '参数错误' },
  'throttled-minute': { code: 40203, msg: '抱歉，您每分最多访问该接口80次' },
  'passing-server': { code: -2001, msg: '服务器错误，请联系管理员' },
  'passing-system': { code: 50000, msg: '系统内部错误' },
  'passing-later': { code: 40203, msg: '访问的人太多，请稍后再试' },
  'unheard-of': { code: 12345, msg: '' },
}

/** Tushare Pro as far as the adapter can tell: token, fields, paging, a limit a minute, and every way to fail. */
export class FakeTushare {
  readonly token = 'secret-token-0123456789'
  readonly requests: Request[] = []
  readonly tables: Tables
  /** Taken one a request, oldest first; `undefined` lets a request through. */
  readonly faults: (Fault | undefined)[] = []
  /** Requests answered until the throttle; a test's new minute sets it again. */
  allowance = Number.POSITIVE_INFINITY
  /** Some mirrors give the first page whatever the offset says. */
  ignoresOffset = false
  /** Where every request is redirected to. */
  redirectsTo: string | undefined
  /** Some mirrors leave it out. */
  sendHasMore = true
  /** The server's own cap of a page, whatever the limit says. */
  maxPage = 6_000
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch((error: Error) => response.destroy(error))
  })

  constructor(tables: Tables) {
    this.tables = tables
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString())
    const asked = { api: body.api_name, params: body.params, fields: body.fields.split(',') }
    this.requests.push(asked)
    if (this.redirectsTo !== undefined) {
      response.writeHead(307, { location: this.redirectsTo })
      return void response.end()
    }
    const fault = this.#nextFault(body.token)
    if (fault === 'reset') return void request.socket.resetAndDestroy()
    // The client gives up; closing the server ends the connection.
    if (fault === 'slow') return
    if (fault === 'server-error') {
      response.writeHead(502, { 'content-type': 'text/html' })
      return void response.end('<html><body>502 Bad Gateway</body></html>')
    }
    const refusal = fault && REFUSALS[fault]
    const json = JSON.stringify({
      request_id: '7c33e8f6',
      ...(refusal ? { ...refusal, data: null } : { code: 0, msg: null, data: this.#page(asked, fault) }),
    })
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(
      fault === 'truncated' ? json.slice(0, json.length / 2) : fault === 'not-an-envelope' ? '[]' : json,
    )
  }

  #nextFault(token: string): Fault | undefined {
    const scripted = this.faults.shift()
    if (scripted) return scripted
    if (token !== this.token) return 'wrong-token'
    this.allowance -= 1
    return this.allowance < 0 ? 'throttled' : undefined
  }

  #page({ api, params, fields }: Request, fault: Fault | undefined) {
    const matching = (this.tables[api] ?? []).filter((row) => matches(row, params))
    const offset = this.ignoresOffset ? 0 : Number(params.offset ?? 0)
    const limit = Math.min(Number(params.limit ?? this.maxPage), this.maxPage)
    const page = matching.slice(offset, offset + (fault === 'short-page' ? Math.ceil(limit / 2) : limit))
    const columns = fault === 'lacks-column' ? fields.slice(1) : fields.toReversed()
    return {
      // In an order of its own, as the real one does.
      fields: columns,
      items: page.map((row) => columns.map((column) => row[column] ?? null)),
      ...(this.sendHasMore ? { has_more: offset + page.length < matching.length } : {}),
    }
  }
}

/** A row has no column for a filter it was not made with: such a filter lets everything through. */
function matches(row: Row, params: Request['params']): boolean {
  const { start_date: from, end_date: to, limit: _limit, offset: _offset, ...equal } = params
  const date = String(row.cal_date ?? row.trade_date ?? '')
  if ((from && date < String(from)) || (to && date > String(to))) return false
  return Object.entries(equal).every(
    ([name, value]) => !(name in row) || String(value).split(',').includes(String(row[name])),
  )
}

/** A bar as `daily` has it, in lots and thousands. */
export function dailyRow(tsCode: string, tradeDate: string, change: Row = {}): Row {
  return {
    ts_code: tsCode,
    trade_date: tradeDate,
    open: 11.1,
    high: 11.3,
    low: 10.9,
    close: 11.16,
    pre_close: 11.1,
    change: 0.06,
    pct_chg: 0.5405,
    vol: 539_386.32,
    amount: 498_695.109,
    ...change,
  }
}
