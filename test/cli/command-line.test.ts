import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { allOf } from '../../src/cli/command-line.ts'
import { EngineSchema } from '../../src/db/engine-schema.ts'
import { createTestDatabase } from '../support/database.ts'
import { commandOn, program } from './run-command.ts'

const run = promisify(execFile)
const nowhere = { url: 'postgres://me:hunter2@127.0.0.1:1/app', directUrl: '', schema: EngineSchema.public }

test('every command has a help with examples that name it', async () => {
  const commands = allOf(program).filter(({ commands }) => commands.length === 0)
  expect(commands.length).toBeGreaterThan(14)
  for (const command of commands) {
    const path = command.parent === program ? command.name() : `${command.parent?.name()} ${command.name()}`
    const { code, out } = await commandOn(nowhere)(...path.split(' '), '--help')
    expect(code).toBe(0)
    expect(out).toContain('--database-url <url>')
    const [, shown = ''] = out.split('Examples:\n')
    for (const line of shown.trimEnd().split('\n')) expect(line).toMatch(`  npx fastify-async-tasks ${path}`)
  }
})

test('without its database a command ends with 1 and one sentence, without the password', async () => {
  expect(await commandOn(nowhere)('status')).toMatchObject({
    ...{ code: 1, out: '', err: expect.stringMatching(/^ECONNREFUSED: (?!.*hunter2).*\n$/) },
  })
})

test.each<[string[]]>([
  [['status', '--databaseurl=postgres://me:hunter2@127.0.0.1/app']],
  [['status', '--databaseurl=postgres://me:hun@ter2@127.0.0.1/app']],
  [['status', '--databaseurl=postgres://127.0.0.1/app?user=me&password=hunter2']],
  [['postgres://me:hunter2@127.0.0.1/app', 'status']],
  [['completion', 'postgres://me:hunter2@127.0.0.1/app']],
  [['list', '--page-size', 'postgres://me:hunter2@127.0.0.1/app']],
])('wrong usage does not print a password: %j', async (args) => {
  const { code, out, err } = await commandOn(nowhere)(...args)
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toMatch(/^INVALID_ARGUMENT: .*127\.0\.0\.1/)
  expect(err).not.toMatch(/ter2/)
})

test.each(['hun#ter2', 'hun/ter2', 'hun?ter2'])(
  'a password %j that is not encoded is wrong usage',
  async (password) => {
    const url = `postgres://me:${password}@127.0.0.1:1/app`
    const result = await commandOn({ ...nowhere, url })('status')
    expect(result).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/percent-encoded\n$/) })
    expect(result.err).not.toContain('ter2')
  },
)

test.each([['migrate'], ['doctor']])('%s names DATABASE_DIRECT_URL if that is wrong', async (command) => {
  const { code, err } = await commandOn({ ...nowhere, directUrl: 'me:hunter2@127.0.0.1/app' })(command)
  expect({ code, err }).toEqual({
    code: 2,
    err: expect.stringMatching(/^INVALID_ARGUMENT: DATABASE_DIRECT_URL must be a URL such as (?!.*hunter2)/),
  })
})

test('without migrations a command names the one that applies them', async () => {
  const database = await createTestDatabase('empty')
  onTestFinished(() => database.drop())
  const jobs = { ...database, schema: new EngineSchema('My jobs') }
  expect(await commandOn(jobs)('status')).toMatchObject({
    code: 1,
    err: 'MIGRATION_FAILED: the schema My jobs lacks the tables of the engine: run npx fastify-async-tasks migrate --schema "My jobs"\n',
  })
  expect(await commandOn(jobs)('migrate')).toMatchObject({ code: 0 })
  expect(await commandOn(jobs)('status')).toMatchObject({ code: 0 })
  await database.pool.query('delete from "My jobs".async_tasks_migrations where id > 2')
  expect((await commandOn(jobs)('status')).err).toMatch(/lacks the migrations 0002_\w+, .*: run npx/)
  await database.pool.query(
    `insert into "My jobs".async_tasks_migrations (hash, created_at, oldest_version) values ('x', 9000000000000, '99.0.0')`,
  )
  expect((await commandOn(jobs)('status')).err).toMatch(
    /^MIGRATION_FAILED: .*only version 99\.0\.0 or a later one/,
  )
})

test.each(['jobs', 'My jobs', `it's "a" \\ $HOME \`id\`!`])(
  'the command that it names for the schema %j is one for a shell',
  async (name) => {
    const database = await createTestDatabase('empty')
    onTestFinished(() => database.drop())
    const { err } = await commandOn({ ...database, schema: new EngineSchema(name) })('status')
    const [, word = ''] = /migrate --schema (.*)\n$/.exec(err) ?? []
    expect((await run('bash', ['-c', `printf %s ${word}`])).stdout).toBe(name)
  },
)

test('bash completes commands and options', async () => {
  const { out } = await commandOn(nowhere)('completion', 'bash')
  const complete = async (...words: string[]) => {
    const script = `${out}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _fastify_async_tasks; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout } = await run('bash', ['-c', script, 'bash', 'fastify-async-tasks', ...words])
    return stdout.trim().split('\n')
  }
  expect(await complete('s')).toEqual(['status', 'show', 'schedules'])
  expect(await complete('schedules', 'r')).toEqual(['run'])
  expect(await complete('list', '--created-')).toEqual([
    '--created-after',
    '--created-before',
    '--created-by',
  ])
  expect(await complete('--json', 'completion', 'z')).toEqual(['zsh'])
  expect(await complete('status', '--da')).toEqual(['--database-url'])
})

test('zsh and fish get the same words, and no other shell is known', async () => {
  expect((await commandOn(nowhere)('completion', 'zsh')).out).toContain('bashcompinit')
  const { out } = await commandOn(nowhere)('completion', 'fish')
  expect(out).toMatch(
    /^complete -c fastify-async-tasks -f -n '__fish_use_subcommand' -a 'doctor status list /,
  )
  expect(await commandOn(nowhere)('completion', 'csh')).toMatchObject({ code: 2 })
})
