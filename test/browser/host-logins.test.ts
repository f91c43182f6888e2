import { createServer, request as forward, type IncomingMessage } from 'node:http'
import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase } from '../support/database.ts'
import { examplesNotRunBy } from '../support/docs.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { createHost, enterToken, link, listen, open, originOf, types } from './hosts.ts'

const tasks = createDemoTasks()
const secret = 'a secret of the host, long enough to sign with'
const proxySecret = 'a secret of the proxy'

interface User {
  id: number
  name: string
  isStaff: boolean
}
const ADA: User = { id: 7, name: 'Ada', isStaff: true }
const EVE: User = { id: 8, name: 'Eve', isStaff: false }
const sessions = new Map<string, User>()
const findUser = async (session: string) => sessions.get(session)

let connectionString: string

beforeAll(async () => {
  const database = await createTestDatabase()
  connectionString = database.url
  return () => database.drop()
})

test('every recipe of the page is code of this file', () => {
  expect(examplesNotRunBy(import.meta.url, 'dashboard.md')).toEqual([])
})

const back = (next = '/') => (/^\/(?![/\\\s])/.test(next) ? next : '/')

interface Visit {
  Querystring: { next?: string; as?: string }
}

/** The host's log-in is a form; whoever is named there gets a session. */
async function startCookieHost(): Promise<string> {
  const app = createHost()
  await app.register(cookie, { secret })
  await app.register(asyncTasks, {
    connectionString,
    tasks,
    dashboard: {
      title: 'Shop',
      environment: 'staging',
      homeUrl: '/',
      loginUrl: '/login?next={returnTo}',
      logoutUrl: '/logout',
    },
    authorize: async (request) => {
      const { value } = request.unsignCookie(request.cookies.session ?? '')
      const user = value === null ? undefined : await findUser(value)
      if (user && !user.isStaff) throw Object.assign(new Error('for staff only'), { statusCode: 403 })
      return user && { id: user.id, name: user.name }
    },
  })
  app.get<Visit>('/login', async ({ query }, reply) => {
    const to = (as: string) =>
      `<a href="/enter?as=${as}&next=${encodeURIComponent(back(query.next))}">${as}</a>`
    return reply.type('text/html').send(`<!doctype html><h1>Who are you?</h1>${to('Ada')} ${to('Eve')}`)
  })
  app.get<Visit>('/enter', async ({ query }, reply) => {
    const session = crypto.randomUUID()
    sessions.set(session, query.as === 'Ada' ? ADA : EVE)
    reply.setCookie('session', session, {
      signed: true,
      httpOnly: true,
      secure: 'auto',
      sameSite: 'lax',
      path: '/',
    })
    return reply.redirect(back(query.next))
  })
  app.get('/logout', async (_request, reply) => reply.clearCookie('session', { path: '/' }).redirect('/'))
  return listen(app)
}

test('a cookie: the page links to the log-in and back, says who is logged in, and links to the log-out', async () => {
  const origin = await startCookieHost()
  const { page } = await open(origin)
  await page.goto(`${origin}/admin/?view=types&type=send_invoice`)
  await page.getByRole('heading', { name: 'You are not logged in' }).waitFor()
  expect(await page.title()).toBe('Log in · Shop')
  await page.getByText('Environment: staging').waitFor()
  expect(await page.getByText('has ended').count()).toBe(0)
  await link(page, 'Log in').click()
  await link(page, 'Ada').click()
  await page.getByRole('heading', { level: 1, name: 'send_invoice' }).waitFor()
  expect(page.url()).toBe(`${origin}/admin/?view=types&type=send_invoice`)
  await page.getByText('Logged in as Ada').waitFor()
  expect(await page.title()).toBe('send_invoice · Shop')
  await page.getByText('Environment: staging').waitFor()

  // The host ends the session.
  sessions.clear()
  await page.getByText('Your session has ended').waitFor()
  await link(page, 'Log in').click()
  await link(page, 'Ada').click()
  await page.getByText('Logged in as Ada').waitFor()

  // There is no account of theirs on this page.
  await page.goto(`${origin}/admin/?view=account`)
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()

  await link(page, 'Log out').click()
  await page.getByRole('heading', { name: 'The shop' }).waitFor()
  await page.goto(`${origin}/admin/`)
  await page.getByRole('heading', { name: 'You are not logged in' }).waitFor()
  expect(await page.getByText('has ended').count()).toBe(0)
  await link(page, 'Back to the app').click()
  await page.getByRole('heading', { name: 'The shop' }).waitFor()
})

test('a cookie: whom the host does not let in is told so, and may log in as somebody else', async () => {
  const origin = await startCookieHost()
  const { page } = await open(origin)
  await page.goto(`${origin}/enter?as=Eve&next=/admin/?view=types`)
  await page.getByRole('heading', { name: 'You may not see this page' }).waitFor()
  await link(page, 'Log in as somebody else').click()
  await link(page, 'Ada').click()
  await types(page)
})

test('a log-in sends nobody to another site', async () => {
  for (const next of ['//evil.example', '/\\evil.example', '/\t/evil.example', 'https://evil.example', '']) {
    expect(back(next)).toBe('/')
  }
  expect(back('/admin/?view=types')).toBe('/admin/?view=types')
})

test('a JWT: the cookie of the host is enough, and a token is told to be missing, wrong or expired', async () => {
  const app = createHost()
  await app.register(cookie)
  await app.register(jwt, { secret, cookie: { cookieName: 'token', signed: false } })
  await app.register(asyncTasks, {
    connectionString,
    tasks,
    dashboard: { loginUrl: '/login?next={returnTo}', logoutUrl: '/logout' },
    authorize: async (request) => {
      const { sub, name, staff } = await request.jwtVerify<{ sub: string; name: string; staff: boolean }>()
      if (!staff) throw Object.assign(new Error('for staff only'), { statusCode: 403 })
      return { id: sub, name }
    },
  })
  const sign = (life: string, staff = true) =>
    app.jwt.sign({ sub: '7', name: 'Ada', staff }, { expiresIn: life })
  app.get<Visit>('/login', async ({ query }, reply) => {
    const token = sign('1h')
    reply.setCookie('token', token, { httpOnly: true, secure: 'auto', sameSite: 'lax', path: '/' })
    return reply.redirect(back(query.next))
  })
  app.get('/logout', async (_request, reply) => reply.clearCookie('token', { path: '/' }).redirect('/'))
  const origin = await listen(app)
  const { page } = await open(origin)
  await page.goto(`${origin}/admin/?view=types`)

  await page.getByRole('button', { name: 'Use the token' }).click()
  await page.getByText('Enter a token, or log in at the application').waitFor()
  expect(await page.getByLabel('Access token').evaluate((input) => input === document.activeElement)).toBe(
    true,
  )
  await enterToken(page, 'of nobody')
  await page.getByText('The server refused this token').waitFor()
  await enterToken(page, sign('1h', false))
  await page.getByText('the application does not let you see its tasks').waitFor()

  const short = sign('8s')
  await enterToken(page, short)
  await page.getByText('Logged in as Ada').waitFor()
  await page.getByText('Your token has expired').waitFor()
  await enterToken(page, short)
  await page.getByRole('alert').filter({ hasText: 'Your token has expired' }).waitFor()
  await enterToken(page, `${sign('1h')}x`)
  await page.getByText('The server refused this token').waitFor()

  // It may also expire while no page looks.
  const other = sign('8s')
  await enterToken(page, other)
  await types(page)
  await page.goto(`${origin}/`)
  const headers = { authorization: `Bearer ${other}` }
  await expect.poll(async () => (await app.inject({ url: '/api/admin/me', headers })).statusCode).toBe(401)
  await page.goto(`${origin}/admin/?view=types`)
  await page.getByText('Your token has expired').waitFor()

  await link(page, 'Log in').click()
  await types(page)
  await page.getByText('Logged in as Ada').waitFor()
  await link(page, 'Log out').click()
  await page.getByRole('heading', { name: 'The shop' }).waitFor()
})

/** It logs in whoever asks for it, and tells the app who that is. */
async function startProxy(target: string, user: string): Promise<string> {
  const isIn = ({ headers }: IncomingMessage) => headers.cookie?.includes('_oauth2_proxy=1')
  const proxy = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://proxy')
    const entry = pathname === '/oauth2/sign_in' ? 1 : pathname === '/oauth2/sign_out' ? 0 : undefined
    if (entry !== undefined) {
      const headers = {
        'set-cookie': `_oauth2_proxy=${entry}; Path=/`,
        location: searchParams.get('rd') ?? '/',
      }
      return response.writeHead(302, headers).end()
    }
    const { 'x-forwarded-user': _user, 'x-proxy-secret': _secret, ...rest } = request.headers
    const who = isIn(request) ? { 'x-forwarded-user': user, 'x-proxy-secret': proxySecret } : {}
    const options = { method: request.method, headers: { ...rest, ...who } }
    const passed = forward(`${target}${request.url}`, options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    // A page that is closed, or an app that is.
    passed.on('error', () => response.destroy())
    response.on('close', () => passed.destroy())
    request.pipe(passed)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => proxy.once('listening', resolve))
  onTestFinished(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  return originOf(proxy)
}

test('a proxy: it says who it is, and nobody else may', async () => {
  const app = createHost()
  await app.register(asyncTasks, {
    connectionString,
    tasks,
    dashboard: { loginUrl: '/oauth2/sign_in?rd={returnTo}', logoutUrl: '/oauth2/sign_out' },
    authorize: ({ headers }) => {
      if (headers['x-proxy-secret'] !== proxySecret) return undefined
      const user = headers['x-forwarded-user']
      return typeof user === 'string' ? { id: user, name: user } : undefined
    },
  })
  const target = await listen(app)
  const origin = await startProxy(target, 'ada@shop.example')
  const { page } = await open(origin)
  await page.goto(`${origin}/admin/?view=types`)
  await link(page, 'Log in').click()
  await types(page)
  await page.getByText('Logged in as ada@shop.example').waitFor()
  await page
    .getByRole('row', { name: /send_invoice/ })
    .getByRole('button', { name: /^Pause/ })
    .click()
  await page.locator('.toast', { hasText: 'send_invoice is paused' }).waitFor()
  await link(page, 'Log out').click()
  await page.getByRole('heading', { name: 'The shop' }).waitFor()
  await page.goto(`${origin}/admin/?view=types`)
  await page.getByRole('heading', { name: 'You are not logged in' }).waitFor()

  for (const base of [origin, target]) {
    const forged = await fetch(`${base}/api/admin/me`, {
      headers: { 'x-forwarded-user': 'ada@shop.example' },
    })
    expect(forged.status).toBe(401)
  }
})
