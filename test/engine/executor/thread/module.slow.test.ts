import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { findModule } from '../../../../src/engine/executor/thread/handler-module.ts'
import { runTask } from '../../../../src/testing/index.ts'
import { nextEvent } from '../../../support/engine.ts'
import { useEngines } from '../../../support/engines.ts'

/** Where a thread handler's module is found, and what a task says whose module cannot be loaded. */

const engines = useEngines()
const folder = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-thread-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let count = 0
function inThread(name: string) {
  const module = new URL(name, `${pathToFileURL(folder)}/`)
  return createTaskRegistry().task(`in_thread_${count++}`, { run: 'thread', module })<number>()
}

function write(name: string, text: string): void {
  writeFileSync(path.join(folder, name), text)
}

async function runOnce(name: string) {
  const task = inThread(name)
  const { manager, events, executor } = engines.start([task])
  const ended = nextEvent(events, 'ended')
  const { taskId } = await manager.createTask(task)
  await ended
  const found = await manager.getTask(taskId)
  await executor.stop()
  return found
}

test('sources are found by the name of what they compile to, and so are their imports', async () => {
  write('words.ts', 'export const words: string[] = ["to", "be"]')
  write('numbers.ts', 'export const seven: number = 7')
  write(
    'counting.ts',
    `import { words } from './words.js'
     import { seven } from './numbers'
     export default (): number => words.length + seven`,
  )
  expect(await runOnce('counting.js')).toMatchObject({ status: 'completed', result: 9 })
})

test.each([
  ['built.ts', 'built.js', 'export default () => 5'],
  ['compiled.ts', 'compiled.cjs', 'exports.__esModule = true; exports.default = () => 5'],
  ['bundled.ts', 'bundled.mjs', 'export default () => 5'],
])('compiled output is found by the name of its source: %s', async (named, written, text) => {
  write(written, text)
  expect(await runOnce(named)).toMatchObject({ status: 'completed', result: 5 })
  expect(await runTask(inThread(named), {})).toMatchObject({ result: 5 })
})

test('of both, the file that was named runs', async () => {
  write('both.ts', 'export default () => "source"')
  write('both.js', 'export default () => "output"')
  expect((await runTask(inThread('both.ts'), {})).result).toBe('source')
  expect((await runTask(inThread('both.js'), {})).result).toBe('output')
})

test('a file is looked for until it is found, and then no more', () => {
  const module = new URL('late.ts', `${pathToFileURL(folder)}/`)
  expect(() => findModule(module)).toThrow('looked for')
  write('late.js', 'export default () => "output"')
  const output = new URL('late.js', module).href
  expect(findModule(module)).toBe(output)
  write('late.ts', 'export default () => "source"')
  expect(findModule(module)).toBe(output)
})

test.each([
  ['missing.ts', /looked for \S+missing\.ts, \S+missing\.js, \S+missing\.mjs, \S+missing\.cjs$/, ''],
  ['importing.ts', /importing\.ts cannot be loaded: .*absent\.js/, 'import "./absent.js"'],
  ['broken.js', /broken\.js cannot be loaded: /, 'export default ('],
  ['enumerating.ts', /enumerating\.ts cannot be loaded: .*enum/i, 'export enum Size { Small }'],
  ['without.js', /without\.js must export its handler as default$/, 'export const handler = 1'],
])('%s fails its attempt at once, for good, and says why', async (name, error, text) => {
  if (text !== '') write(name, text)
  expect(await runOnce(name)).toMatchObject({
    status: 'failed',
    retryCount: 0,
    error: expect.stringMatching(error),
  })
  // In a test runner, its own loader may refuse the module first.
  expect((await runTask(inThread(name), {})).error).toBeInstanceOf(Error)
})

test('an error that the module itself throws while it loads is retried', async () => {
  write('throwing.js', 'throw new Error("no connection")')
  expect(await runOnce('throwing.js')).toMatchObject({ status: 'pending', error: 'no connection' })
})
