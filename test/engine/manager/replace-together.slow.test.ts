import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import type { TaskManager } from '../../../src/engine/manager/manager.ts'
import { createClaims } from '../../support/claim-tasks.ts'
import { SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()
const { task } = createTaskRegistry()
const plain = task('plain')(() => undefined)
const other = task('other')(() => undefined)
const create = () => tables.createManager([plain, other])
const REPLACE = { uniqueKey: 'k', onDuplicate: 'replace' as const }

describe('createTasks', () => {
  const item = (n: number, options: object = {}) => ({
    task: plain,
    params: { [`p${n}`]: n },
    ...REPLACE,
    ...options,
  })

  test('of several tasks with one key keeps what the last one brings', async () => {
    const { manager } = create()
    const old = await manager.createTask(plain, {}, { ...REPLACE, uniqueKey: 'k2' })
    const answers = await manager.createTasks<AnyTask[]>([
      ...[item(1), item(2), item(3), { ...item(4), task: other }],
      ...[item(5, { uniqueKey: 'k2' }), item(6, { uniqueKey: 'k2' })],
    ])
    expect(answers.map(({ created, replaced }) => [created, replaced])).toEqual([
      ...[
        [true, false],
        [false, true],
        [false, true],
        [false, false],
      ],
      ...[
        [false, true],
        [false, true],
      ],
    ])
    expect((await manager.getTask(answers[0]?.taskId ?? ''))?.params).toEqual({ p3: 3 })
    expect((await manager.getTask(old.taskId))?.params).toEqual({ p6: 6 })
    expect(answers.map(({ params }) => params)).toEqual([
      ...Array.from({ length: 4 }, () => ({ p3: 3 })),
      ...Array.from({ length: 2 }, () => ({ p6: 6 })),
    ])
    const kept = { task: plain, params: {}, uniqueKey: 'k2' }
    const shown = await manager.createTasks<AnyTask[]>([kept, item(7, { uniqueKey: 'k2', priority: 4 })])
    expect(shown.map(({ params, priority }) => [params, priority])).toEqual([
      [{ p7: 7 }, 4],
      [{ p7: 7 }, 4],
    ])
  })

  test('replaces nothing where another of its tasks is refused, in a transaction of the caller, too', async () => {
    const { manager } = create()
    await manager.createTask(plain, { day: 1 }, REPLACE)
    await manager.createTask(plain, {}, { uniqueKey: 'taken' })
    const before = await tables.read()
    const items = [
      item(1),
      item(2, { uniqueKey: 'new' }),
      item(3, { uniqueKey: 'taken', onDuplicate: 'reject' }),
    ]
    await expect(manager.createTasks(items)).rejects.toMatchObject({ code: 'DUPLICATE_TASK' })
    expect(await tables.read()).toEqual(before)
    const client = await tables.pool.connect()
    try {
      await client.query('begin')
      await expect(manager.createTasks(items, { tx: client })).rejects.toMatchObject({
        code: 'DUPLICATE_TASK',
      })
      await client.query('commit')
      expect(await tables.read()).toEqual(before)
      await client.query('begin')
      const [replaced] = await manager.createTasks([item(1)], { tx: client })
      expect(replaced).toMatchObject({ created: false, replaced: true, params: { p1: 1 } })
      await client.query('rollback')
    } finally {
      client.release()
    }
    expect(await tables.read()).toEqual(before)
  })
})

test('of many calls at once, in several processes, the task has all of one and none of the others', async () => {
  const managers = [create(), create(), create()].map(({ manager }) => manager)
  for (let round = 0; round < 5; round += 1) {
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        (managers[n % 3] as TaskManager).createTask(
          plain,
          { [`p${n}`]: n, same: n },
          { ...REPLACE, priority: n % 50 },
        ),
      ),
    )
    expect(new Set(answers.map(({ taskId }) => taskId)).size).toBe(1)
    expect(answers.filter(({ created }) => created)).toHaveLength(round === 0 ? 1 : 0)
    expect(answers.every(({ created, replaced }) => created !== replaced)).toBe(true)
    const { params = {}, priority } = (await managers[0]?.getTask(answers[0]?.taskId ?? '')) ?? {}
    const n = Number(params.same)
    expect({ params, priority }).toEqual({ params: { [`p${n}`]: n, same: n }, priority: n % 50 })
  }
})

test('against a claim one of the two wins: a started task has the params of the call that says so', async () => {
  const { manager, db } = create()
  const claim = createClaims(db, SOME_EXECUTOR, ['plain'])
  const count = { replaced: 0, left: 0 }
  for (let round = 0; round < 60; round += 1) {
    const { taskId } = await manager.createTask(plain, { old: true }, REPLACE)
    const [answer, claimed] = await Promise.all([
      manager.createTask(plain, { round }, REPLACE),
      // Sooner or later after the replacement has begun, so that each of the two comes first in some rounds.
      delay(round % 12).then(() => claim(10)),
    ])
    const started = [...claimed, ...(await claim(10))]
    expect(answer).toMatchObject({ created: false, taskId })
    count[answer.replaced ? 'replaced' : 'left'] += 1
    const params = answer.replaced ? { round: String(round) } : { old: 'true' }
    expect(started).toMatchObject([{ taskId, params }])
    await tables.pool.query('truncate async_tasks cascade')
  }
  console.log(`a claim against a replacement: ${JSON.stringify(count)}`)
  expect(count.replaced).toBeGreaterThan(0)
  expect(count.left).toBeGreaterThan(0)
})
