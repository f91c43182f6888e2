import { globSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { commandOn, type RunCommand } from '../cli/run-command.ts'
import { createTestDatabase } from '../support/database.ts'
import { blocksOf } from '../support/docs.ts'
import { createEngine } from '../support/engine.ts'

const root = path.resolve(import.meta.dirname, '../..')

/** Every command of `npx fastify-async-tasks` in an example; the tutorial's are run by its own test. */
const commands = globSync(['README.md', 'docs/*.md'], { cwd: root })
  .filter((page) => page !== 'docs/tutorial.md')
  .flatMap((page) => blocksOf(page).filter(({ language }) => language === 'sh'))
  .flatMap(({ text }) => [...text.matchAll(/npx fastify-async-tasks ([^>\n]*)/g)])
  .map(([, args = '']) => args.trim())

let run: RunCommand
let taskId: string

beforeAll(async () => {
  const database = await createTestDatabase()
  const sendReport = createTaskRegistry().task('send_report', { maxRetries: 0 })((_params, ctx) => {
    ctx.log.info('printing')
    throw new Error('out of paper')
  })
  const engine = createEngine(database, [sendReport])
  engine.executor.start()
  ;({ taskId } = await engine.manager.createTask(sendReport))
  await engine.manager.waitFor(taskId)
  run = commandOn(database)
  return async () => {
    await engine.executor.stop()
    await database.drop()
  }
})

/** What is certain to be in the output. */
const SHOWN: [command: RegExp, output: RegExp][] = [
  [/^doctor/, /./],
  [/^list/, /send_report +failed/],
  [/^retry .*--dry-run/, /task_\w+/],
  [/^logs/, /printing/],
  [/^completion/, /fastify-async-tasks/],
  [/^migrate/, /up to date/],
]

test.each(commands)('%s', async (command) => {
  const args = command.replace(/task_[0-9a-f]{32}/, taskId).split(' ')
  const { code, out, err } = await run(...args)
  // A doctor may find that tests use a fast and careless server.
  expect(args[0] === 'doctor' ? [0, 1] : [0], err).toContain(code)
  const expected = SHOWN.find(([pattern]) => pattern.test(command))?.[1]
  if (!expected) throw new Error(`say in SHOWN what ${command} prints`)
  expect(out).toMatch(expected)
})

test('they are found', () => {
  expect(commands.length).toBeGreaterThan(5)
})
