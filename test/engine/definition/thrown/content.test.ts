import vm from 'node:vm'
import { describe, expect, expectTypeOf, test } from 'vitest'
import type { TaskContext } from '../../../../src/engine/definition/context.ts'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import type { JsonOf } from '../../../../src/engine/definition/task-reference.ts'
import type { TaskEventMap } from '../../../../src/engine/runtime/events.ts'
import { runTask } from '../../../../src/testing/run-task.ts'
import { useEngines } from '../../../support/engines.ts'
import produce from '../../executor/thread/modules/returning.ts'

const engines = useEngines()

async function logsOf(write: (ctx: TaskContext) => void) {
  const { task } = createTaskRegistry()
  const writing = task('writing')((_params, ctx) => write(ctx))
  const { manager, events } = engines.start([writing])
  const emitted: TaskEventMap['logged'][0][] = []
  events.on('logged', (event) => emitted.push(event))
  const { taskId } = await manager.createTask(writing)
  expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed' })
  const { logs } = await manager.listLogs(taskId)
  expect(emitted.map(({ message, data }) => ({ message, data }))).toEqual(
    logs.map(({ message, data }) => ({ message, data })),
  )
  return logs.map(({ message, data }) => ({ message, data }))
}

describe('the log keeps', () => {
  class HttpError extends Error {
    override readonly name = 'HttpError'
    readonly code = 'E502'
    readonly config = { headers: { authorization: 'Bearer abc' } }
    toJSON() {
      return { config: this.config }
    }
  }
  const failed = new HttpError('bad gateway', { cause: new TypeError('socket closed') })
  const whole = {
    name: 'HttpError',
    message: 'bad gateway',
    code: 'E502',
    stack: expect.stringContaining('content.test.ts'),
    cause: { name: 'TypeError', message: 'socket closed', stack: expect.stringContaining('content.test.ts') },
  }

  test('errors anywhere in its fields, and nothing of what they carry beside', async () => {
    const foreign = vm.runInNewContext('new RangeError("over there")')
    const [line] = await logsOf((ctx) =>
      ctx.log.error('failed', {
        err: failed,
        list: [{ deep: failed }],
        foreign,
        both: new AggregateError([foreign]),
      }),
    )
    expect(line).toEqual({
      message: 'failed',
      data: {
        err: whole,
        list: [{ deep: whole }],
        foreign: expect.objectContaining({ name: 'RangeError', message: 'over there' }),
        both: expect.objectContaining({
          name: 'AggregateError',
          errors: [expect.objectContaining({ message: 'over there' })],
        }),
      },
    })
    expect(JSON.stringify(line)).not.toContain('Bearer')
  })

  test('fields and errors first, as with pino, or last', async () => {
    const lines = await logsOf(({ log }) => {
      log.info({ a: 1 }, 'text')
      log.info({ a: 1 })
      log.warn(failed)
      log.warn(failed, 'the request failed')
      log.warn('the request failed', failed)
      log.error(new URL('http://localhost/x') as never)
      log.info('plain')
    })
    expect(lines).toEqual([
      { message: 'text', data: { a: 1 } },
      { message: '', data: { a: 1 } },
      { message: 'HttpError: bad gateway: TypeError: socket closed', data: { err: whole } },
      { message: 'the request failed', data: { err: whole } },
      { message: 'the request failed', data: { err: whole } },
      { message: 'http://localhost/x', data: undefined },
      { message: 'plain', data: undefined },
    ])
  })

  test('Maps, Sets and typed arrays, and of what is no JSON the other fields', async () => {
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    const unreadable = Object.assign(new Error('said'), {
      toJSON() {
        throw new Error('no')
      },
    })
    const lines = await logsOf(({ log }) => {
      log.info('a', { map: new Map([['x', new Set([1])]]), bytes: new Uint8Array([1, 2]) })
      log.info('b', { cycle, rows: 7, big: 1n, err: unreadable })
      log.info('c', new Proxy({}, { ownKeys: () => unreadable.toJSON() }))
    })
    expect(lines[0]?.data).toEqual({ map: [['x', [1]]], bytes: [1, 2] })
    expect(lines[1]?.data).toEqual({
      rows: 7,
      err: expect.objectContaining({ message: 'said' }),
      unserialisable: expect.any(String),
    })
    expect(lines[2]?.data).toEqual({ unserialisable: 'no' })
  })

  test('the same in a unit test of the handler', async () => {
    const { task } = createTaskRegistry()
    const writing = task('writing')((_params, ctx) => {
      ctx.log.info({ a: 1 }, 'text')
      ctx.log.error(failed)
    })
    const { logs } = await runTask(writing, {})
    expect(logs).toEqual([
      { level: 'INFO', message: 'text', data: { a: 1 } },
      { level: 'ERROR', message: 'HttpError: bad gateway: TypeError: socket closed', data: { err: failed } },
    ])
  })

  test('the same from a thread', async () => {
    const { task } = createTaskRegistry()
    const logging = task('logging', {
      run: 'thread',
      module: new URL('../../executor/thread/modules/logging.ts', import.meta.url),
      maxRetries: 0,
    })()
    const { manager } = engines.start([logging])
    const { taskId } = await manager.createTask(logging)
    const ended = await manager.waitFor(taskId)
    expect(ended).toMatchObject({ status: 'failed', error: 'AggregateError: all of them (a; TypeError: b)' })
    const { logs } = await manager.listLogs(taskId, { level: 'WARNING' })
    const err = expect.objectContaining({ name: 'TypeError', message: 'b', stack: expect.any(String) })
    expect(logs).toMatchObject([
      { message: 'fields last', data: { err } },
      { message: 'fields first', data: { err } },
      { message: 'TypeError: b', data: { err } },
    ])
  })
})

describe('a result', () => {
  const resultOf = async (returned: unknown, type = 'returning') => {
    const { task } = createTaskRegistry()
    const returning = task(type, { maxRetries: 0 })(() => returned)
    const { manager } = engines.start([returning])
    const { taskId } = await manager.createTask(returning)
    const { status, result } = await manager.waitFor(taskId)
    const { logs } = await manager.listLogs(taskId)
    expect(status).toBe('completed')
    return { result, warnings: logs.map(({ level, message }) => `${level} ${message}`) }
  }

  test('keeps Maps, Sets, Errors and typed arrays', async () => {
    const failed = Object.assign(new TypeError('bad', { cause: new Error('why') }), {
      code: 'E1',
      field: 'x',
    })
    const { result, warnings } = await resultOf({
      map: new Map<unknown, unknown>([
        ['a', 1],
        [{ key: 2 }, new Set(['b'])],
      ]),
      foreign: vm.runInNewContext('new Map([[1, new Set([2])]])'),
      failed,
      settled: await Promise.allSettled([Promise.reject(failed)]),
      bytes: new Float64Array([0.5]),
      at: new Date(0),
    })
    const error = {
      name: 'TypeError',
      message: 'bad',
      code: 'E1',
      field: 'x',
      cause: { name: 'Error', message: 'why' },
    }
    expect(result).toEqual({
      map: [
        ['a', 1],
        [{ key: 2 }, ['b']],
      ],
      foreign: [[1, [2]]],
      failed: error,
      settled: [{ status: 'rejected', reason: error }],
      bytes: [0.5],
      at: '1970-01-01T00:00:00.000Z',
    })
    expect(warnings).toEqual([])
  })

  test('names in the log of its task what JSON cannot hold', async () => {
    const { result, warnings } = await resultOf({
      rate: Number.NaN,
      'a/b': [() => 1, Symbol('s')],
      pattern: /x/,
      headers: new Headers({ a: 'b' }),
      absent: undefined,
      empty: {},
      none: [],
      boxed: Object(5),
    })
    expect(result).toEqual({
      rate: null,
      'a/b': [null, null],
      pattern: {},
      headers: {},
      empty: {},
      none: [],
      boxed: 5,
    })
    expect(warnings).toEqual([
      'WARNING the result holds what JSON cannot: /rate is NaN, stored as null; /a~1b/0 is a function, left out; ' +
        '/a~1b/1 is a symbol, left out; /pattern is a RegExp without fields, stored as {}; ' +
        '/headers is a Headers without fields, stored as {}',
    ])
    expect((await resultOf(new Map([[1, 2]]), 'returning_map')).result).toEqual([[1, 2]])
    expect((await resultOf(new Date(Number.NaN), 'returning_date')).warnings).toEqual([
      'WARNING the result holds what JSON cannot: it is an invalid date, stored as null',
    ])
  })

  test('is the same from a thread', async () => {
    const { task } = createTaskRegistry()
    const module = new URL('../../executor/thread/modules/returning.ts', import.meta.url)
    const returning = task('returning_in_thread', { run: 'thread', module, maxRetries: 0 })()
    const { manager } = engines.start([returning])
    const { taskId } = await manager.createTask(returning)
    const ended = await manager.waitFor(taskId)
    expect(ended).toMatchObject({ status: 'completed', error: null })
    const inProcess = await resultOf(produce(), 'returning_in_process')
    expect(ended.result).toEqual(inProcess.result)
    expect(inProcess.result).toMatchObject({
      failed: { name: 'TypeError', code: 'E1', field: 'x', cause: { message: 'why' } },
      money: { euros: 1.5 },
      proxy: { a: 1 },
    })
    const { logs } = await manager.listLogs(taskId)
    expect(logs.map(({ level, message }) => `${level} ${message}`)).toEqual(inProcess.warnings)
    expect(inProcess.warnings).toEqual([expect.stringContaining('/list/0 is a function, left out')])
  })

  test('has the type of its JSON', () => {
    expectTypeOf<JsonOf<{ map: Map<string, Date>; set: Set<number> }>>().toEqualTypeOf<{
      map: [string, string][]
      set: number[]
    }>()
  })
})
