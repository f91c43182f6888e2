import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTaskRegistry } from '../src/engine/definition/registry.ts'
import { type BundledServer, startBundledServer } from './http/bundled-server.ts'

const guide = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8')

interface Example {
  readonly path: string
  readonly body: string | undefined
  /** What the guide says that it answers. */
  readonly answer: string | undefined
}

/** The calls of `curl` in the guide. */
const examples = [...guide.matchAll(/```sh\n(curl [\s\S]*?)```/g)].map(([, text = '']): Example => {
  const [command = '', answer] = text.replaceAll('\\\n', '').trim().split('\n# ')
  const path = /localhost:3000(\S+)/.exec(command)?.[1] ?? ''
  return { path, body: / -d '([^']*)'/.exec(command)?.[1], answer }
})

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer()
})
afterAll(() => server.close())

test('the guide has calls to try', () => {
  expect(examples.map(({ path }) => path)).toEqual([
    '/api/admin/tasks/stats',
    '/api/admin/tasks/bulk',
    '/api/admin/tasks/bulk',
  ])
})

test.each(examples)('the call of $path answers as the guide says', async ({ path, body, answer }) => {
  const headers = { 'content-type': 'application/json' }
  const request =
    body === undefined ? { url: path } : { url: path, method: 'POST' as const, payload: body, headers }
  const said = await server.asAdmin(request)
  expect(said.statusCode, said.body).toBe(200)
  if (answer !== undefined) expect(said.body).toBe(answer)
})

test('the example of retention by type registers its types', () => {
  const [, code = ''] = /```js\n(task\('import_feed', [\s\S]*?)```/.exec(guide) ?? []
  const registry = createTaskRegistry()
  new Function('task', code)(registry.task)
  const kept = [...registry.definitions()].map(([type, { options }]) => [type, options.retentionDays])
  expect(kept).toEqual([
    ['import_feed', 7],
    ['close_of_books', 36_500],
  ])
})
