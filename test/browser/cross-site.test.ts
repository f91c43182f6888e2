import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { logIn, openPage, PageServer } from './admin-page.ts'
import type { WatchedBrowser } from './watched-browser.ts'

const { task } = createTaskRegistry()
const hello = task('hello')(() => 'world')

let database: TestDatabase
let server: PageServer
let browser: WatchedBrowser
/** Of somebody who is logged in, on a page of the attacker's. */
let victim: Page
let attacker: Server
let taskId: string

beforeAll(async () => {
  database = await createTestDatabase('server')
  server = await PageServer.start(database, [hello])
  // What is created stays pending: an attack that works shows.
  server.app.taskExecutor?.beginStop()
  const opened = await openPage(server)
  browser = opened.browser
  await logIn(opened.page)
  victim = await browser.context.newPage()
  attacker = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>attacker</title>')
  }).listen(0)
})
afterAll(async () => {
  attacker.close()
  await browser?.close()
  await server?.remove()
})
beforeEach(async () => {
  taskId = (await server.app.tasks.createTask(hello)).taskId
  await server.app.tasks.declareSchedules([{ name: 'nightly', cron: '@daily', task: hello }])
})

const port = () => (attacker.address() as AddressInfo).port
/** Where the page of the attacker is: a port of the same host gets the cookie, another site does not. */
const ORIGINS: [string, () => string, status: number][] = [
  ['another port of the same host', () => `http://127.0.0.1:${port()}`, 403],
  ['another site', () => `http://localhost:${port()}`, 401],
]

/** Every route that changes something, with what it takes. */
function changes(): [method: string, path: string, body: object | undefined][] {
  return [
    ['POST', '/tasks', { taskType: 'hello', uniqueKey: 'attack' }],
    ['POST', `/tasks/${taskId}/cancel`, undefined],
    ['POST', `/tasks/${taskId}/retry`, undefined],
    ['POST', `/tasks/${taskId}/run-now`, undefined],
    ['PATCH', `/tasks/${taskId}`, { priority: 9 }],
    ['DELETE', `/tasks/${taskId}`, undefined],
    ['POST', '/tasks/bulk', { action: 'cancel', taskIds: [taskId] }],
    ['POST', '/task-types/hello/pause', undefined],
    ['POST', '/schedules', { name: 'attack', cron: '@daily', taskType: 'hello' }],
    ['POST', '/schedules/nightly/run', undefined],
    ['PATCH', '/schedules/nightly', { enabled: false }],
    ['DELETE', '/schedules/nightly', undefined],
    ['POST', '/auth/logout', undefined],
    ['POST', '/auth/login', { username: 'admin', password: 'wrong' }],
  ]
}

/** All that a change would show in. */
async function rows(): Promise<unknown[]> {
  const tables = [
    'async_tasks',
    'async_task_types',
    'async_task_schedules',
    'sessions',
    'login_guesses',
    'users',
  ]
  const all = await Promise.all(
    tables.map((table) =>
      database.pool.query(`select to_jsonb(t) - 'last_used_at' as row from ${table} t order by 1`),
    ),
  )
  return all.map((result) => result.rows as unknown)
}

async function expectNoChange(attack: () => Promise<unknown>): Promise<void> {
  const before = await rows()
  await attack()
  expect(await rows()).toEqual(before)
}

test('the page of the server itself may do all of it', async () => {
  const [own] = browser.context.pages()
  const statuses = await own?.evaluate(
    async (requests) => {
      const statuses: number[] = []
      for (const [method, path, body] of requests) {
        const headers: Record<string, string> = body ? { 'content-type': 'application/json' } : {}
        const init = { method, headers, ...(body && { body: JSON.stringify(body) }) }
        statuses.push((await fetch(`/api/admin${path}`, init)).status)
      }
      return statuses
    },
    changes().filter(([, path]) => !path.startsWith('/auth')),
  )
  // A pending task can be neither retried nor deleted; after its cancel it cannot be run.
  for (const status of statuses ?? []) expect([200, 201, 204, 409]).toContain(status)
  expect(statuses?.filter((status) => status < 300).length).toBeGreaterThanOrEqual(8)
  await server.app.tasks.resumeTaskType('hello')
  await server.app.tasks.deleteSchedule('attack')
  browser.forgive(/409/)
})

describe.each(ORIGINS)('a page on %s', (_name, origin, refusal) => {
  beforeEach(async () => {
    await victim.goto(origin())
    return () => browser.forgive(/./)
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])(
    'changes nothing by a form of %s',
    async (enctype) => {
      const statuses: number[] = []
      for (const [, path, body] of changes()) {
        await expectNoChange(async () => {
          const answered = victim.waitForResponse((response) => response.url().includes('/api/admin/'))
          await victim.evaluate(
            ([action, enctype, json]) => {
              const form = document.createElement('form')
              Object.assign(form, { method: 'POST', action, enctype })
              // As text/plain this is JSON, with the sign of equality inside of a text.
              const input = document.createElement('input')
              input.name = `${json.slice(0, -1)}${json === '{}' ? '' : ','}"x":"`
              input.value = '"}'
              form.append(input)
              document.body.append(form)
              form.submit()
            },
            [`${server.origin}/api/admin${path}`, enctype, JSON.stringify(body ?? {})] as const,
          )
          statuses.push((await answered).status())
          await victim.waitForURL(/\/api\/admin\//)
        })
        await victim.goto(origin())
      }
      // The log-in and the log-out look at the type of the body first.
      expect(new Set(statuses)).toEqual(new Set([refusal, 415]))
    },
  )

  test.each(['no-cors', 'cors'] as const)(
    'changes nothing and reads nothing by fetch, mode %s',
    async (mode) => {
      for (const type of ['text/plain', 'application/json', undefined]) {
        for (const [method, path, body] of changes()) {
          await expectNoChange(async () => {
            const read = await victim.evaluate(
              async ([url, method, mode, type, json]) => {
                const headers: Record<string, string> = type && json ? { 'content-type': type } : {}
                const init: RequestInit = { method, mode, headers, credentials: 'include' }
                if (json) init.body = json
                const response = await fetch(url, init).catch(() => undefined)
                return response?.text()
              },
              [
                `${server.origin}/api/admin${path}`,
                method,
                mode,
                type,
                body && JSON.stringify(body),
              ] as const,
            )
            expect(read ?? '').toBe('')
          })
        }
      }
    },
  )

  test('changes nothing by beacons, images, scripts, styles and frames, and reads nothing by them', async () => {
    await expectNoChange(async () => {
      const seen = await victim.evaluate(
        async ([server, paths]) => {
          const loaded = (element: HTMLElement) =>
            new Promise<boolean>((resolve) => {
              element.onload = () => resolve(true)
              element.onerror = () => resolve(false)
              document.body.append(element)
            })
          const make = (tag: string, attributes: object) =>
            Object.assign(document.createElement(tag), attributes)
          const seen: string[] = []
          for (const path of paths) {
            const url = `${server}/api/admin${path}`
            navigator.sendBeacon(url, '{"taskType":"hello"}')
            if (await loaded(make('img', { src: url }))) seen.push(`image ${path}`)
            if (await loaded(make('script', { src: url }))) seen.push(`script ${path}`)
            if (await loaded(make('link', { rel: 'stylesheet', href: url }))) seen.push(`style ${path}`)
          }
          for (const path of ['/admin/', '/docs', '/api/admin/tasks']) {
            const frame = make('iframe', { src: `${server}${path}` }) as HTMLIFrameElement
            await loaded(frame)
            try {
              if (frame.contentDocument?.body.textContent) seen.push(`frame ${path}`)
            } catch {
              // Another origin: it is there, and may not be read.
            }
          }
          return seen
        },
        [server.origin, ['/tasks', '/task-types', ...changes().map(([, path]) => path)]] as const,
      )
      expect(seen).toEqual([])
      // A frame that was refused shows a page of the browser's.
      const frames = victim.frames().filter((frame) => frame !== victim.mainFrame())
      expect(frames.length).toBeGreaterThan(0)
      for (const frame of frames) expect(frame.url()).not.toContain(server.origin)
    })
  })

  test('neither opens a window it can read nor follows a stream', async () => {
    const opening = browser.context.waitForEvent('page')
    const handle = await victim.evaluateHandle((server) => window.open(`${server}/admin/`), server.origin)
    const opened = await opening
    await opened.waitForLoadState()
    const seen = await victim.evaluate((window) => {
      try {
        return window?.document.body.textContent ?? ''
      } catch {
        // Not of this origin.
        return ''
      }
    }, handle)
    await opened.close()
    expect(seen).toBe('')
    const read = await victim.evaluate(async (server) => {
      let read = ''
      const source = new EventSource(`${server}/api/admin/tasks/events`, { withCredentials: true })
      source.onmessage = ({ data }) => {
        read += data
      }
      await new Promise((resolve) => {
        source.onerror = resolve
      })
      source.close()
      return read
    }, server.origin)
    expect(read).toBe('')
  })

  test('cannot use the form of the log-in', async () => {
    const status = await victim.evaluate(async (server) => {
      const body = JSON.stringify({ username: 'admin', password: 'correct horse battery staple' })
      const headers = { 'content-type': 'text/plain' }
      const url = `${server}/api/admin/auth/login`
      const init: RequestInit = { method: 'POST', mode: 'no-cors', headers, body, credentials: 'include' }
      return fetch(url, init).then(
        (response) => String(response.status),
        () => 'refused',
      )
    }, server.origin)
    expect(status).toBe('refused')
    const { rows: open } = await database.pool.query('select count(*)::int as count from sessions')
    expect(open).toEqual([{ count: 1 }])
  })
})

test('the victim is still logged in', async () => {
  const [own] = browser.context.pages()
  expect(await own?.evaluate(async () => (await fetch('/api/admin/auth/me')).status)).toBe(200)
})
