import { getTableConfig } from 'drizzle-orm/pg-core'
import { describe, expect, test } from 'vitest'
import { statement } from '../../src/db/database.ts'
import { EngineSchema } from '../../src/db/engine-schema.ts'
import { asyncTaskLogs, asyncTasks, asyncTasksIn } from '../../src/engine/store/schema.ts'
import { type AsyncTasksOptions, checkOptions } from '../../src/plugin-options.ts'

const check = (schema: unknown) =>
  checkOptions({ connectionString: 'postgres://db/app', authorize: false, schema } as AsyncTasksOptions)

describe('the name of a schema', () => {
  test.each(['jobs', 'Jobs', 'my jobs', `o'clock "now"`, 'a\\b', '$1', '任务', 'a'.repeat(63), 'public'])(
    '%s is taken',
    (name) => {
      expect(() => check(name)).not.toThrow()
    },
  )

  test.each<[unknown, string]>([
    ['', 'schema must be a name, not empty'],
    [7, 'schema must be a string, got number'],
    [null, 'schema must be a string, got null'],
    ['a'.repeat(64), 'schema must be a name of at most 63 bytes, got 64'],
    ['任'.repeat(22), 'schema must be a name of at most 63 bytes, got 66'],
    ['pg_jobs', `schema must be a schema of your own: PostgreSQL reserves 'pg_jobs'`],
    ['information_schema', 'schema must be a schema of your own'],
    ['a\0b', 'schema must be text without NUL'],
    ['a\ud800', 'schema must be text without NUL and without half a surrogate pair'],
  ])('%j is refused', (name, message) => {
    expect(() => check(name)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(() => check(name)).toThrow(message)
  })
})

describe('what names the schema public', () => {
  const text = `select 'public.async_tasks'::regclass, public.async_tasks.id from public.async_tasks, public.orders
                 where pg_notify('fastify_async_tasks', 'public') is null`

  test('stays as it is there', () => {
    const made = statement('x', text)
    expect(EngineSchema.public.rename(text)).toBe(text)
    expect(EngineSchema.public.renameStatement(made)).toBe(made)
  })

  test('names another schema, in whatever way it has to be quoted', () => {
    expect(new EngineSchema('jobs').rename(text)).toMatch(
      /^select '"jobs"\.async_tasks'::regclass, "jobs"\.async_tasks\.id from "jobs"\.async_tasks, public\.orders\s+where pg_notify\('fastify_async_tasks_[0-9a-f]{16}', 'public'\) is null$/,
    )
    const odd = new EngineSchema(`o'clock "$&" \\`)
    expect(odd.rename(`'public.async_tasks'`)).toBe(` E'"o''clock ""$&"" \\\\".async_tasks'`)
    expect(odd.rename('public.async_tasks')).toBe(`"o'clock ""$&"" \\".async_tasks`)
  })

  test('is prepared under another name in each schema, the same each time', () => {
    const made = statement('x', text)
    const [jobs, again, other] = ['jobs', 'jobs', 'other'].map((name) => new EngineSchema(name))
    expect(jobs?.renameStatement(made)).toBe(jobs?.renameStatement(made))
    expect(jobs?.renameStatement(made)).toEqual(again?.renameStatement(made))
    const names = [made, jobs?.renameStatement(made), other?.renameStatement(made)].map((one) => one?.name)
    expect(new Set(names).size).toBe(3)
  })
})

test('asyncTasksIn returns the tables of a schema, the same each time, and the exported ones for public', () => {
  expect(asyncTasksIn('public')).toMatchObject({ asyncTasks, asyncTaskLogs })
  const jobs = asyncTasksIn('jobs')
  expect(asyncTasksIn('jobs')).toBe(jobs)
  const { name, schema, foreignKeys } = getTableConfig(jobs.asyncTaskLogs)
  expect({ name, schema }).toEqual({ name: 'async_task_logs', schema: 'jobs' })
  expect(foreignKeys[0]?.reference().foreignTable).toBe(jobs.asyncTasks)
  expect(() => asyncTasksIn('pg_x')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})
