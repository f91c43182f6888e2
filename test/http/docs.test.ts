import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

interface Operation {
  summary?: string
  tags?: string[]
  security?: object[]
  responses: Record<string, { content?: Record<string, unknown> }>
}

let server: BundledServer
let paths: Record<string, Record<string, Operation>>

beforeAll(async () => {
  server = await startBundledServer()
  paths = (await server.app.inject('/docs/json')).json().paths
})
afterAll(() => server.close())

test('the document speaks OpenAPI 3.1 and refers to nothing that it lacks', async () => {
  const document = (await server.app.inject('/docs/json')).json()
  expect(document.openapi).toBe('3.1.0')
  expect(Object.keys(document.components.securitySchemes)).toEqual(['bearer', 'cookie'])
  expect(JSON.stringify(document)).not.toContain('$ref')
})

test('the document has every route', () => {
  const documented = Object.entries(paths).flatMap(([url, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${url.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  )
  const registered = server.routes
    .filter(({ schema, url }) => schema?.hide !== true && !url.startsWith('/docs'))
    .flatMap(({ method, url }) => [method].flat().map((one) => `${one} ${url}`))
    .filter((route) => !route.startsWith('HEAD '))
  expect(documented.toSorted()).toEqual(registered.toSorted())
  expect(documented.length).toBeGreaterThanOrEqual(14)
})

test('every operation says what it does and what else it may answer', () => {
  for (const [url, operations] of Object.entries(paths)) {
    for (const [method, { summary, tags, responses, security }] of Object.entries(operations)) {
      expect.soft(summary, `${method} ${url}`).toBeTruthy()
      expect.soft(tags, `${method} ${url}`).toHaveLength(1)
      expect.soft(responses[400]?.content, `${method} ${url}`).toHaveProperty('application/problem+json')
      if (security === undefined)
        expect.soft(responses[401]?.content).toHaveProperty('application/problem+json')
    }
  }
})

test('every operation may find the server unavailable, and those that lock a row may find it locked', () => {
  for (const [url, operations] of Object.entries(paths)) {
    for (const [method, { responses }] of Object.entries(operations)) {
      expect.soft(responses[503]?.content, `${method} ${url}`).toHaveProperty('application/problem+json')
    }
  }
  const locking = Object.entries(paths).flatMap(([url, operations]) =>
    Object.entries(operations).filter(
      ([method]) => method !== 'get' && /\{(taskId|taskType|name)\}(?!\/run$)/.test(url),
    ),
  )
  expect(locking.length).toBe(9)
  for (const [, { summary, responses }] of locking)
    expect.soft(responses[409]?.content, summary).toHaveProperty('application/problem+json')
})

test('the page is there, and loads nothing from elsewhere', async () => {
  const page = await server.app.inject('/docs')
  expect(page.headers['content-type']).toContain('text/html')
  const policy = String(page.headers['content-security-policy'])
  expect(policy).toContain("default-src 'self'")
  expect(policy).not.toMatch(/https?:|unsafe|upgrade-insecure-requests/)
  for (const [, asset = ''] of page.body.matchAll(/(?:src|href)="([^"]+)"/g)) {
    expect((await server.app.inject(asset)).statusCode, asset).toBe(200)
  }
  expect(page.body).not.toMatch(/<script[^>]*>[^<\s]/)
})

test('answers carry the headers that browsers heed', async () => {
  const { headers } = await server.app.inject('/api/admin/tasks')
  expect(headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'SAMEORIGIN',
    'referrer-policy': 'no-referrer',
  })
  expect(headers).not.toHaveProperty('strict-transport-security')
})
