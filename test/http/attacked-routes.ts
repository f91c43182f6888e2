import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { BODIES, EXECUTED, HEADERS, LEAKS, TEXTS } from './attacks.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

const { task } = createTaskRegistry()
const echo = task('echo')((params) => params)

interface Route {
  readonly method: string
  readonly url: string
  /** False where the method alone is refused. */
  readonly takesText: boolean
}

let server: BundledServer
let routes: Route[]
const logLines: string[] = []
type AskedBy = 'admin' | 'user' | 'none'
export const ROLES: readonly AskedBy[] = ['admin', 'user', 'none']

/** Log-out is left out for those whose session it would end. */
const attackable = (role: AskedBy) => routes.filter(({ url }) => role === 'none' || !endsSessions(url))
const endsSessions = (url: string) => /\/auth\/(logout|sessions|password)/.test(url)
const isGuarded = ({ url }: Route) => url.startsWith('/api/admin') && !url.endsWith('/auth/login')

async function ask(role: AskedBy, request: InjectOptions): Promise<LightMyRequestResponse> {
  const send = { admin: server.asAdmin, user: server.asUser, none: server.app.inject.bind(server.app) }[role]
  // A stream has no end: what it begins with is all that is asked for.
  if (!String(request.url).includes('/events')) return send(request)
  const opened = await send({ ...request, payloadAsStream: true })
  if (opened.statusCode !== 200 || request.method === 'HEAD') return send(request)
  opened.stream().destroy()
  return opened
}

/** What is wrong with a response, whoever asked for whatever. */
function findFaults({ statusCode, headers, body }: LightMyRequestResponse, path: string): string[] {
  // Its executor is stopping, and says so.
  if (statusCode === 503 && path.startsWith('/health/ready')) return []
  const faults: string[] = []
  if (statusCode >= 500) faults.push(body)
  for (const name of Object.keys(headers)) {
    if (name === 'x-injected' || name.startsWith('access-control-allow')) faults.push(`the header ${name}`)
  }
  if (statusCode < 400) return faults
  if (headers['content-type'] !== 'application/problem+json')
    faults.push(`the type ${headers['content-type']}`)
  if (headers['x-content-type-options'] !== 'nosniff') faults.push('no nosniff')
  if (body.length > 40_000) faults.push(`${body.length} characters`)
  for (const leak of LEAKS) if (leak.test(body)) faults.push(`${leak} in ${body}`)
  return faults
}

/** Sends requests to every route with each of the roles, and returns how many. */
async function attack(make: (route: Route) => InjectOptions[], roles: readonly AskedBy[]): Promise<number> {
  const found: string[] = []
  let count = 0
  for (const role of roles) {
    for (const route of attackable(role)) {
      for (const request of make(route)) {
        const answer = await ask(role, { method: route.method as 'GET', ...request })
        const faults = findFaults(answer, route.url)
        const isServed = answer.statusCode < 400
        if (
          isGuarded(route) &&
          isServed &&
          (role === 'none' || (role === 'user' && answer.statusCode === 201))
        )
          faults.push('is served')
        if (faults.length > 0)
          found.push(
            `${role}: ${route.method} ${String(request.url)}: ${answer.statusCode}, ${faults.join(', ')}`,
          )
        count += 1
      }
    }
  }
  expect(found.map((fault) => fault.slice(0, 1_000))).toEqual([])
  return count
}

const fill = (url: string, value: string) => url.replaceAll(/:\w+|\*/g, () => value)
const encode = (text: string) => encodeURIComponent(text.toWellFormed())
const hasBody = ({ method }: Route) => ['POST', 'PUT', 'PATCH', 'DELETE'].includes(method)

interface Extent {
  readonly roles: readonly AskedBy[]
  /** Others are refused before a text is looked at. */
  readonly rolesOfTexts: readonly AskedBy[]
  /** Each route gets one text of so many, the next route the next ones. */
  readonly oneOf: number
}

/** Attacks on every route that the app has registered. */
export function testAttacks({ roles, rolesOfTexts, oneOf }: Extent): void {
  const textsFor = (route: Route) =>
    TEXTS.filter((_text, i) => route.takesText && i % oneOf === routes.indexOf(route) % oneOf)

  beforeAll(async () => {
    server = await startBundledServer({
      tasks: [echo],
      env: { REQUESTS_PER_MINUTE: '1000000' },
      onLogLine: (line) => logLines.push(line),
    })
    // What is created stays pending: the subject is the routes.
    server.app.taskExecutor?.beginStop()
    await server.database.pool.query(`create sequence ${EXECUTED}`)
    routes = server.routes.flatMap(({ method, url, schema }) =>
      [method].flat().map((one) => ({
        method: String(one),
        url,
        takesText: one !== 'HEAD' && (schema?.hide !== true || url.includes('*')),
      })),
    )
  })
  afterAll(() => server.close())

  describe('on every route', () => {
    test('a text of an attacker as an id and as a query', async () => {
      const count = await attack(
        (route) =>
          textsFor(route).map((text) => ({
            url: `${fill(route.url, encode(text))}?q=${encode(text)}&${encode(text)}=1&cursor=${encode(text)}`,
          })),
        rolesOfTexts,
      )
      expect(count).toBeGreaterThan(500)
    })

    test('a text of an attacker as each known parameter of the query', async () => {
      const { paths } = (await server.app.inject('/docs/json')).json()
      const namesOf = ({ method, url }: Route): string[] =>
        (paths[url.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]?.parameters ?? [])
          .filter((one: { in: string }) => one.in === 'query')
          .map(({ name }: { name: string }) => name)
      const count = await attack(
        (route) =>
          namesOf(route).flatMap((name) =>
            textsFor(route).map((text) => ({ url: `${fill(route.url, 'task_1')}?${name}=${encode(text)}` })),
          ),
        rolesOfTexts,
      )
      expect(count).toBeGreaterThan(100)
    })

    test('a text of an attacker in each field of a body', async () => {
      const { paths } = (await server.app.inject('/docs/json')).json()
      const fieldsOf = ({ method, url }: Route): string[] => {
        const operation = paths[url.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]
        return Object.keys(operation?.requestBody?.content['application/json']?.schema?.properties ?? {})
      }
      await attack(
        (route) =>
          fieldsOf(route).flatMap((field) =>
            textsFor(route).flatMap((text) => [
              { url: fill(route.url, 'task_1'), payload: { taskType: 'echo', [field]: text } },
              { url: fill(route.url, 'task_1'), payload: { taskType: 'echo', [field]: { [text]: [text] } } },
            ]),
          ),
        rolesOfTexts,
      )
    })

    test('a header that other servers heed', async () => {
      await attack(
        ({ url, takesText }) =>
          (takesText ? HEADERS : []).map((headers) => ({ url: fill(url, 'task_1'), headers })),
        roles,
      )
    })

    test('a body that costs more to read than to send', async () => {
      await attack(
        (route) =>
          route.takesText && hasBody(route)
            ? BODIES.map(([, payload]) => ({
                url: fill(route.url, 'task_1'),
                payload,
                headers: { 'content-type': 'application/json' },
              }))
            : [],
        roles,
      )
    })

    test('a spelling of the path that a guard may not know', async () => {
      const spellings: ((url: string) => string)[] = [
        (url) => url.replace('/api/admin', '/%61pi/admin'),
        (url) => url.replace('/api/admin', '/api%2fadmin'),
        (url) => url.replace('/api/admin', '/API/Admin'),
        (url) => url.replace('/api/admin', '//api//admin'),
        (url) => url.replace('/api/admin', '/x/../api/admin'),
        (url) => url.replace('/api/admin', '/admin/..;/api/admin'),
        (url) => url.replace('/api/admin', '/./api/./admin'),
        (url) => url.replace('/api/admin', '/api\\admin'),
        (url) => `http://evil.example${url}`,
        (url) => `${url}/`,
        (url) => `${url}.json`,
        (url) => `${url};x=1`,
        (url) => `${url}%00`,
        (url) => `${url}%20`,
        (url) => `${url}#x`,
        (url) => `${url}?/health/live`,
        (url) => `/health/live/..${url}`,
        (url) => `/health%2flive/..${url}`,
      ]
      await attack(
        (route) =>
          route.url.startsWith('/api/admin')
            ? spellings.map((spell) => ({ url: spell(fill(route.url, 'task_1')) }))
            : [],
        roles,
      )
    })
  })

  test('no statement of an attacker was executed, and nobody became an admin', async () => {
    const { pool } = server.database
    const { rows } = await pool.query(`select is_called from ${EXECUTED}`)
    expect(rows).toEqual([{ is_called: false }])
    const { rows: users } = await pool.query('select username, role from users order by 1')
    expect(users.filter(({ role }) => role === 'admin')).toEqual([{ username: 'admin', role: 'admin' }])
    expect(Object.prototype).not.toHaveProperty('isAdmin')
  })

  test('each line of the log is one line of JSON, without a secret', async () => {
    const { rows } = await server.database.pool.query('select id from sessions')
    expect(logLines.length).toBeGreaterThan(1_000)
    const text = logLines.join('')
    expect(text.split('\n').length - 1).toBe(logLines.length)
    for (const line of logLines) expect(JSON.parse(line)).toHaveProperty('level')
    for (const { id } of rows) expect(text).not.toContain(id)
    for (const secret of ['correct horse battery staple', 'only looking', '$scrypt$'])
      expect(text).not.toContain(secret)
  })
}
