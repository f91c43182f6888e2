import { beforeEach, describe, expect, test } from 'vitest'
import { createTaskRegistry, type TaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskOptions } from '../../../src/engine/definition/task.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import { createGate, type Engine } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()
const TYPES = 5_000
const SETTINGS = { concurrency: 4, pollIntervalMs: 50, heartbeatIntervalMs: 200, leaseMs: 60_000 }
const PATIENCE = { timeout: 120_000 }

let registry: TaskRegistry

beforeEach(() => {
  registry = createTaskRegistry()
  for (let i = 0; i < TYPES; i += 1) registry.task(`filler.of.a.large.application.${i}`)(() => 'ran')
})

function start(settings = {}): Engine {
  return engines.start(
    [...registry.definitions().values()].map(({ handler }) => handler as AnyTask),
    { ...SETTINGS, ...settings },
  )
}

async function endOf({ manager }: Engine, taskIds: readonly string[]) {
  return Promise.all(taskIds.map((taskId) => manager.waitFor(taskId)))
}

describe('an executor of 5,000 types', () => {
  test('runs tasks of any of them, whatever limits they have', PATIENCE, async () => {
    const kinds: Record<string, TaskOptions> = {
      process: { concurrency: 1 },
      global: { globalConcurrency: 1 },
      keyed: { concurrencyKey: (params) => String(params.key) },
    }
    const running = new Map<string, number>()
    const most = new Map<string, number>()
    for (const [kind, options] of Object.entries(kinds)) {
      for (let i = 0; i < 30; i += 1) {
        registry.task(
          `${kind}.${i}`,
          options,
        )(async (_params, { taskType }) => {
          running.set(taskType, (running.get(taskType) ?? 0) + 1)
          most.set(taskType, Math.max(most.get(taskType) ?? 0, running.get(taskType) ?? 0))
          await new Promise((resolve) => setImmediate(resolve))
          running.set(taskType, (running.get(taskType) ?? 0) - 1)
        })
      }
    }
    const engine = start()
    const fillers = Array.from({ length: 100 }, (_, i) => `filler.of.a.large.application.${i * 37}`)
    const limited = Object.keys(kinds).flatMap((kind) => Array.from({ length: 30 }, (_, i) => `${kind}.${i}`))
    const items = [...fillers, ...limited, ...limited].map((task) => ({ task, params: { key: 'k' } }))
    const created = await engine.manager.createTasks(items)
    for (const task of await endOf(
      engine,
      created.map(({ taskId }) => taskId),
    )) {
      expect(task).toMatchObject({ status: 'completed' })
    }
    expect(Math.max(...most.values())).toBe(1)
  })

  test('takes higher priority first, then the oldest due, over all of them', PATIENCE, async () => {
    const order: number[] = []
    for (let i = 0; i < 200; i += 1) {
      registry.task(`ordered.${i}`)((params) => void order.push(Number(params.n)))
    }
    const engine = engines.create(
      [...registry.definitions().values()].map(({ handler }) => handler as AnyTask),
      { ...SETTINGS, concurrency: 1 },
    )
    const items = Array.from({ length: 400 }, (_, n) => ({
      task: `ordered.${(n * 7) % 200}`,
      params: { n },
      priority: n % 5,
    }))
    const created = await engine.manager.createTasks(items)
    engine.executor.start()
    await endOf(
      engine,
      created.map(({ taskId }) => taskId),
    )
    const expected = items.map(({ params }) => params.n).toSorted((a, b) => (b % 5) - (a % 5) || a - b)
    expect(order).toEqual(expected)
  })

  test(
    'is not held up by types without a permit or a slot of their own, nor by paused ones',
    PATIENCE,
    async () => {
      const gate = createGate()
      const blocked = ['process', 'global'].flatMap((kind) =>
        Array.from({ length: 100 }, (_, i) => {
          const options = kind === 'process' ? { concurrency: 1 } : { globalConcurrency: 1 }
          registry.task(`${kind}.${i}`, options)(() => gate.opened)
          return `${kind}.${i}`
        }),
      )
      for (let i = 0; i < 100; i += 1) registry.task(`paused.${i}`)(() => {})
      const engine = start({ concurrency: 250 })
      await engine.manager.createTasks(blocked.map((task) => ({ task, priority: 10 })))
      const countRunning = async () =>
        (await engines.database.pool.query(`select from async_tasks where status = 'running'`)).rowCount
      await expect.poll(countRunning, PATIENCE).toBe(blocked.length)
      await engines.database.pool.query(
        `insert into async_task_types (task_type, paused_at) select 'paused.' || i, now() from generate_series(0, 99) i`,
      )
      const waiting = [...blocked, ...Array.from({ length: 100 }, (_, i) => `paused.${i}`)]
      await engine.manager.createTasks(waiting.map((task) => ({ task, priority: 10 })))
      const { taskId } = await engine.manager.createTask('filler.of.a.large.application.7')
      expect(await engine.manager.waitFor(taskId)).toMatchObject({ status: 'completed' })
      gate.open()
    },
  )
})
