import { readFileSync } from 'node:fs'
import path from 'node:path'
import helmet from '@fastify/helmet'
import fastifyStatic from '@fastify/static'
import Fastify, { type FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import asyncTasks, { type AsyncTasksOptions } from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

const built = path.resolve(import.meta.dirname, '../../dist/dashboard')
const index = readFileSync(path.join(built, 'index.html'), 'utf8')
const [script = ''] = /assets\/[\w-]+\.js/.exec(index) ?? []
const meta = (html: string, name: string) => new RegExp(`name="${name}" content="([^"]*)"`).exec(html)?.[1]

describe('in the bundled server', () => {
  let server: BundledServer
  beforeAll(async () => {
    server = await startBundledServer()
  })
  afterAll(() => server.close())

  test('the page is served to anybody, is asked for anew, and may load nothing but its own', async () => {
    const answer = await server.app.inject('/admin/')
    expect(answer.statusCode).toBe(200)
    expect(answer.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(answer.headers['cache-control']).toBe('no-cache')
    const policy = String(answer.headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toMatch(/unsafe|https?:|\*/)
    expect(answer.headers['x-content-type-options']).toBe('nosniff')
    // No code and no style in the page itself.
    expect(answer.body).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=/)
    expect(answer.body).not.toMatch(/(src|href)="(https?:)?\/\//)
  })

  test('it is told where the interface is, and that there is a log-in', async () => {
    const { body } = await server.app.inject('/admin/')
    expect(new URL(meta(body, 'tasks-api') ?? '', 'http://host/admin/').pathname).toBe('/api/admin')
    expect(meta(body, 'tasks-login')).toBe('password')
  })

  test('its address without the slash leads to it, query and all', async () => {
    const answer = await server.app.inject('/admin?status=failed')
    expect(answer.statusCode).toBe(302)
    expect(new URL(String(answer.headers.location), 'http://host/admin').href).toBe(
      'http://host/admin/?status=failed',
    )
  })

  test.each(['/admin?//evil.example', '/admin?https://evil.example/', '/admin?/\\evil.example'])(
    'a redirect from %s stays on this host',
    async (url) => {
      const location = String((await server.app.inject(url)).headers.location)
      expect(location).toMatch(/^admin\/\?/)
      expect(new URL(location, 'http://host/admin').origin).toBe('http://host')
    },
  )

  test('assets are kept for ever, and come compressed', async () => {
    const plain = await server.app.inject(`/admin/${script}`)
    expect(plain.statusCode).toBe(200)
    expect(plain.headers['cache-control']).toBe('public, max-age=31536000, immutable')
    const headers = { 'accept-encoding': 'gzip, br' }
    const small = await server.app.inject({ url: `/admin/${script}`, headers })
    expect(small.headers['content-encoding']).toBe('br')
    expect(small.headers['content-type']).toContain('javascript')
    expect(small.rawPayload.length).toBeLessThan(plain.rawPayload.length / 2)
  })

  test.each([
    '/admin/nothing',
    '/admin/../package.json',
    '/admin/%2e%2e/%2e%2e/package.json',
    '/admin/index.html',
  ])('there is nothing at %s', async (url) => {
    expect((await server.app.inject(url)).statusCode).toBe(404)
  })
})

describe('in an app of somebody else', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase()
  })
  afterAll(() => database.drop())

  const base = () =>
    ({ connectionString: database.url, tasks: [], executor: false, authorize: false }) as const

  async function register(options: AsyncTasksOptions, app = Fastify()): Promise<FastifyInstance> {
    onTestFinished(() => app.close())
    await app.register(asyncTasks, options)
    await app.ready()
    return app
  }

  test('there is no page unless one is asked for', async () => {
    const app = await register(base())
    expect((await app.inject('/admin/')).statusCode).toBe(404)
  })

  test('it is at /admin/, without a log-in of ours', async () => {
    const app = await register({ ...base(), dashboard: true })
    const { body } = await app.inject('/admin/')
    expect(meta(body, 'tasks-login')).toBe('host')
    expect(new URL(meta(body, 'tasks-api') ?? '', 'http://host/admin/').pathname).toBe('/api/admin')
  })

  test('it is told what the app says of itself, as text', async () => {
    const mount = {
      title: '"><script>alert(1)</script>',
      environment: 'pro & con',
      loginUrl: '/login?a="&next={returnTo}',
      homeUrl: 'https://app.example/?a=1&b=2',
    }
    const { body } = await (await register({ ...base(), dashboard: mount })).inject('/admin/')
    expect(body).not.toContain('<script>alert')
    expect(meta(body, 'tasks-title')).toBe('&#34;&#62;&#60;script&#62;alert(1)&#60;/script&#62;')
    expect(meta(body, 'tasks-environment')).toBe('pro &#38; con')
    expect(meta(body, 'tasks-login-url')).toBe('/login?a=&#34;&#38;next={returnTo}')
    expect(meta(body, 'tasks-home-url')).toBe('https://app.example/?a=1&#38;b=2')
    expect(meta(body, 'tasks-logout-url')).toBe('')
  })

  test('it is under any prefix, beside an interface under any other, inside a scope of the host', async () => {
    const app = Fastify()
    onTestFinished(() => app.close())
    await app.register(
      async (scope) => {
        await scope.register(asyncTasks, {
          ...base(),
          prefix: '/ops/api',
          dashboard: { prefix: '/ops/page' },
        })
      },
      { prefix: '/internal' },
    )
    await app.ready()
    const { body } = await app.inject('/internal/ops/page/')
    const api = new URL(meta(body, 'tasks-api') ?? '', 'http://host/internal/ops/page/').pathname
    expect(api).toBe('/internal/ops/api')
    expect((await app.inject(`${api}/tasks`)).statusCode).toBe(200)
    expect((await app.inject(`/internal/ops/page/${script}`)).statusCode).toBe(200)
  })

  test("it needs nothing of the host's helmet, static files and 404, and leaves them alone", async () => {
    const app = Fastify()
    await app.register(helmet)
    await app.register(fastifyStatic, { root: import.meta.dirname, prefix: '/files/' })
    app.setNotFoundHandler((_request, reply) => reply.code(404).send('of the host'))
    app.get('/mine', async () => 'mine')
    await register({ ...base(), dashboard: true }, app)
    expect((await app.inject('/admin/')).headers['content-security-policy']).toContain("default-src 'none'")
    expect((await app.inject('/mine')).headers['content-security-policy']).toContain("default-src 'self'")
    expect((await app.inject('/admin/nothing')).body).toBe('of the host')
    expect((await app.inject('/files/dashboard.test.ts')).statusCode).toBe(200)
  })

  test.each([
    [{ dashboard: { prefix: 'admin' } }, "dashboard.prefix must start with '/'"],
    [{ dashboard: { prefix: '/' } }, "dashboard.prefix must start with '/'"],
    [{ dashboard: { prefix: '/api/admin' } }, 'dashboard.prefix must differ from prefix'],
    [{ dashboard: true, routes: false }, 'dashboard needs the routes'],
  ] as const)('%j is refused', async (options, message) => {
    const app = Fastify()
    onTestFinished(() => app.close())
    await expect(app.register(asyncTasks, { ...base(), ...options }).ready()).rejects.toThrow(message)
  })
})
