import type pg from 'pg'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { currentTask } from '../../src/engine/executor/attempt/running-task.ts'
import { runTask } from '../../src/testing/index.ts'

const { task } = createTaskRegistry()

describe('runTask', () => {
  test('gives params as they come back from a database, and the result as it would be stored', async () => {
    const echo = task('echo', { params: z.object({ at: z.coerce.date(), days: z.int().default(3) }) })(
      ({ at, days }, ctx) => ({
        at,
        days,
        gone: undefined,
        run: [ctx.taskType, ctx.attempt, currentTask()?.attempt],
      }),
    )
    const { result, error } = await runTask(echo, { at: '2026-01-01' }, { attempt: 2 })
    expect(error).toBeUndefined()
    expect(result).toStrictEqual({ at: '2026-01-01T00:00:00.000Z', days: 3, run: ['echo', 2, 2] })
    expect(
      (
        await runTask(
          task('nothing')(() => {}),
          {},
        )
      ).result,
    ).toBeNull()
  })

  test('runs a handler as often as it is called, whatever the limits of its type', async () => {
    const keyed = { key: ({ to }: Record<string, unknown>) => String(to) }
    const rated = task('rated', { rateLimit: { max: 1, perSeconds: 3_600, ...keyed } })(({ to }) => to)
    for (let i = 0; i < 3; i += 1) expect((await runTask(rated, { to: 'ada' })).result).toBe('ada')
  })

  test('tells what was thrown, beside what was said before', async () => {
    const failing = task('failing')((_params, ctx) => {
      ctx.log.warn('soon', { left: 1 })
      throw new RangeError('broken')
    })
    const { result, error, logs } = await runTask(failing, {})
    expect(result).toBeUndefined()
    expect(error).toMatchObject({ message: 'broken' })
    expect(logs).toEqual([{ level: 'WARNING', message: 'soon', data: { left: 1 } }])
    const unstorable = await runTask(
      task('unstorable')(() => 1n),
      {},
    )
    expect(unstorable.error).toMatchObject({ message: expect.stringMatching(/^INVALID_RESULT/) })
    const odd = await runTask(
      task('odd')((_params, ctx) => ctx.progress(-1)),
      {},
    )
    expect(odd.error).toBeInstanceOf(TypeError)
  })

  test('keeps the tasks that the handler creates, and refuses wrong params of theirs', async () => {
    const child = task('child', { params: z.object({ size: z.int() }) })(() => {})
    const parent = task('parent')(async ({ size }, ctx) => {
      const made = await ctx.createTask(child, { size: size as number }, { priority: 5, uniqueKey: 'k' })
      const other = await ctx.createTask('elsewhere', {}, { uniqueKey: 'o', onDuplicate: 'replace' })
      return [made.status, made.priority, made.replaced, other.taskType, other.replaced]
    })
    const { created, result } = await runTask(parent, { size: 7 })
    expect(result).toEqual(['pending', 5, null, 'elsewhere', false])
    expect(created).toEqual([
      { taskType: 'child', params: { size: 7 }, options: { priority: 5, uniqueKey: 'k' } },
      { taskType: 'elsewhere', params: {}, options: { uniqueKey: 'o', onDuplicate: 'replace' } },
    ])
    expect((await runTask(parent, { size: 'x' })).error).toMatchObject({ code: 'INVALID_PARAMS' })
  })

  test('takes guard and complete with the transaction it was given, and with no other', async () => {
    const tx = { query: async () => ({ rows: [] }) }
    const paying = task('paying')(async (_params, ctx) => {
      await ctx.guard(tx)
      await ctx.complete(tx, { paid: true })
      return 'ignored'
    })
    expect(await runTask(paying, {}, { tx })).toMatchObject({ result: { paid: true } })
    for (const options of [{}, { tx: { ...tx } }]) {
      expect((await runTask(paying, {}, options)).error).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('ctx.guard needs a database'),
      })
    }
  })

  test("runs a thread handler's module in this thread", async () => {
    const module = new URL('../engine/executor/thread/modules/failing.ts', import.meta.url)
    const failing = task('in_thread', { run: 'thread', module })()
    expect((await runTask(failing, { how: 'permanent' })).error).toMatchObject({ name: 'PermanentError' })
  })

  test('refuses what is no task, or several', async () => {
    await expect(runTask((() => 1) as never, {} as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    const both = () => 1
    task('one')(both)
    const two = task('two')(both)
    await expect(runTask(two, {})).rejects.toMatchObject({
      message: expect.stringContaining('several types'),
    })
    expect((await runTask(two, {}, { type: 'one' })).result).toBe(1)
  })
})

describe('steps of runTask', () => {
  const load = task('load_steps')(async (_params, ctx) => {
    const files = await ctx.step('list', () => ['a', 'b'])
    for (const file of files) await ctx.step(`load ${file}`, () => ({ file, at: new Date(0) }))
    await ctx.sleep('settlement', { hours: 2 })
    await ctx.step('publish', (tx) => tx.query('insert'), { tx: {} as pg.Pool })
    return 'published'
  })

  test('are run, until a sleep ends the run', async () => {
    const at = '1970-01-01T00:00:00.000Z'
    expect(await runTask(load, {})).toMatchObject({
      result: undefined,
      steps: [
        { name: 'list', result: ['a', 'b'] },
        { name: 'load a', result: { file: 'a', at } },
        { name: 'load b', result: { file: 'b', at } },
      ],
      sleep: { name: 'settlement', delayMs: 7_200_000 },
    })
  })

  test('are refused as in an executor', async () => {
    const codes: string[] = []
    const odd = task('odd_steps')(async (_params, ctx) => {
      const refusals = [
        () => ctx.step('no function', 'work' as never, { tx: {} as pg.Pool }),
        () => ctx.step('no option', () => 1, { txn: {} } as never),
        () => ctx.step('no option beside tx', () => 1, { tx: {} as pg.Pool, retries: 1 } as never),
        () => ctx.step('no options', () => 1, null as never),
      ]
      for (const refused of refusals) {
        await refused().catch(({ code }: { code: string }) => codes.push(code))
      }
    })
    const { error } = await runTask(odd, {}, { tx: { query: async () => ({ rows: [] }) } })
    expect(error).toBeUndefined()
    expect(codes).toEqual(Array.from({ length: 4 }, () => 'INVALID_ARGUMENT'))
  })

  test('that are given are finished, and a given sleep is over', async () => {
    const sent: string[] = []
    const tx = {
      query: async (text: string) => {
        sent.push(text)
        return { rows: [] }
      },
    }
    const steps = { list: ['c'], 'load c': null, settlement: null }
    const run = await runTask(load, {}, { attempt: 2, steps, tx })
    expect(run).toMatchObject({ result: 'published', steps: [{ name: 'publish', result: { rows: [] } }] })
    expect(run.sleep).toBeUndefined()
    expect(sent).toEqual(['insert'])
    const { error } = await runTask(load, {}, { steps })
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
    const { error: refused } = await runTask(load, {}, { steps: { list: 1n } })
    expect(refused).toMatchObject({
      message: expect.stringContaining('INVALID_RESULT: step "list" returned'),
    })
  })
})
