import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createDatabase } from '../../../src/db/database.ts'
import { limitsOf } from '../../../src/engine/definition/limits.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import { Claimer } from '../../../src/engine/executor/claimer.ts'
import { DueTimer } from '../../../src/engine/executor/due-timer.ts'
import { Slots } from '../../../src/engine/executor/slots.ts'
import { createGate } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { slowPool } from '../../support/slow-pool.ts'

const engines = useEngines()

/** Too long for a claim that finds nothing. */
const SLOW_MS = 20

const createTimer = (onDue = () => {}) =>
  new DueTimer({ pollIntervalMs: 60_000, fleet: () => ({ size: 1, position: 0 }), onDue })

/** A claimer whose claims are slow, and what happens before their next responses arrive. */
function createClaimer(...tasks: AnyTask[]) {
  return buildClaimer(tasks, {})
}

function buildClaimer(tasks: readonly AnyTask[], options: { findsIdle?: boolean }) {
  const registry = createTaskRegistry()
  registry.add(...tasks)
  const { manager } = engines.create(tasks)
  const onResponse: (() => void)[] = []
  const probe = { begun: 0, ended: createGate(), fails: false }
  const overlooked = Promise.withResolvers<void>()
  const wakeUps: string[] = []
  const onDebounced: (() => void)[] = []
  const released: (readonly string[])[] = []
  const due = createGate()
  const dueTimer = createTimer(() => due.open())
  const pool = slowPool(engines.database.pool, async (query, send) => {
    if (query.text.includes('/* tasks_waits_since_before')) {
      probe.begun += 1
      if (probe.fails) throw new Error('it took too long')
      await probe.ended.opened
    }
    const answer = await send()
    if (!query.text.includes('/* tasks_claim')) return answer
    await delay(SLOW_MS)
    onResponse.shift()?.()
    return answer
  })
  const claimer = new Claimer({
    db: createDatabase(pool, { prepared: false, schema: engines.database.schema }),
    executorId: randomUUID(),
    types: [...registry.definitions().values()].map(limitsOf),
    slots: new Slots(2),
    pollIntervalMs: 60_000,
    ...options,
    dueTimer,
    permitTimer: createTimer(),
    onCapacityReleased: (taskTypes) => released.push(taskTypes),
    onManyDue: () => {},
    wakeUp: {
      notify: () => {
        wakeUps.push('now')
        overlooked.resolve()
      },
      notifyAfter: (ms, before) => {
        wakeUps.push(`in ${ms} ms`)
        onDebounced.push(before ?? (() => {}))
      },
    },
  })
  const taken = async () => (await claimer.claim(2)).tasks.map(({ taskId }) => taskId)
  return {
    claimer,
    manager,
    onResponse,
    taken,
    probe,
    overlooked: overlooked.promise,
    wakeUps,
    onDebounced,
    released,
    dueTimer,
    due: due.opened,
  }
}

test('the next claim finds old tasks that come while a slow claim is in flight', async () => {
  const noop = createTaskRegistry().task('noop')(() => {})
  const { claimer, manager, onResponse, taken } = createClaimer(noop)
  const old = new Date(Date.now() - 3_600_000)
  expect(await taken()).toEqual([])
  onResponse.push(() => claimer.rescan())
  expect(await taken()).toEqual([])
  const late = await manager.createTask(noop, {}, { runAt: old })
  expect(await taken()).toEqual([late.taskId])
})

test('nothing is due, although a type without a waiting task has no permit for an hour', async () => {
  const rated = createTaskRegistry().task('rated', { rateLimit: { max: 1, perSeconds: 3_600 } })(() => {})
  const { claimer, manager } = buildClaimer([rated], { findsIdle: true })
  const claim = async () => {
    const { tasks, isIdle } = await claimer.claim(2)
    return { claimed: tasks.length, isIdle }
  }
  await manager.createTask(rated)
  const all = [await claim(), await claim(), await claim()]
  expect(all.reduce((sum, { claimed }) => sum + claimed, 0)).toBe(1)
  expect(all.at(-1)).toEqual({ claimed: 0, isIdle: true })
  await manager.createTask(rated)
  expect(await claim()).toEqual({ claimed: 0, isIdle: false })
})

test('a locked task is claimed again soon, also if its due time meets an open type with a limit', async () => {
  const registry = createTaskRegistry()
  const free = registry.task('free')(() => {})
  const limited = registry.task('limited', { globalConcurrency: 1 })(() => {})
  const { claimer, manager, taken, dueTimer, due } = createClaimer(free, limited)
  expect(await taken()).toEqual([])
  const { taskId } = await manager.createTask(free)
  const client = await engines.database.pool.connect()
  await client.query('begin')
  await client.query('select from async_tasks for update')
  dueTimer.note(dueTimer.databaseNow)
  await due
  claimer.noteEnd('limited')
  const whileLocked = await claimer.claim(2)
  await client.query('rollback')
  client.release()
  expect(whileLocked).toEqual({ tasks: [], next: 'soon', isIdle: false })
  expect(await taken()).toEqual([taskId])
})

describe('where claims are slow', () => {
  const noop = createTaskRegistry().task('noop')(() => {})
  const old = new Date(Date.now() - 3_600_000)

  test('a probe beside claims of recent tasks finds older ones', async () => {
    const { manager, taken, probe, overlooked } = createClaimer(noop)
    for (let i = 0; i < 2; i += 1) expect(await taken()).toEqual([])
    const late = await manager.createTask(noop, {}, { runAt: old })
    const takeLatest = async () => {
      const { taskId } = await manager.createTask(noop)
      expect(await taken()).toEqual([taskId])
    }
    while (probe.begun === 0) await takeLatest()
    await takeLatest()
    expect(probe.begun).toBe(1)
    probe.ended.open()
    await overlooked
    expect(await taken()).toEqual([late.taskId])
  })

  test('a probe that fails delays no recent task, and is repeated', async () => {
    const { manager, taken, probe, overlooked } = createClaimer(noop)
    for (let i = 0; i < 2; i += 1) expect(await taken()).toEqual([])
    const late = await manager.createTask(noop, {}, { runAt: old })
    probe.fails = true
    probe.ended.open()
    while (probe.begun < 2) {
      const { taskId } = await manager.createTask(noop)
      expect(await taken()).toEqual([taskId])
    }
    probe.fails = false
    const found = overlooked.then(() => true)
    while (!(await Promise.race([found, manager.createTask(noop).then(() => false)]))) await taken()
    expect(await taken()).toContain(late.taskId)
  })

  test('and few tasks come, a claim replaces the probe: no other statement is sent', async () => {
    const { manager, taken, probe } = createClaimer(noop)
    for (let i = 0; i < 2; i += 1) expect(await taken()).toEqual([])
    const late = await manager.createTask(noop, {}, { runAt: old })
    await expect.poll(taken).toEqual([late.taskId])
    expect(probe.begun).toBe(0)
  })

  test('one of several old tasks is claimed, and the others still are', async () => {
    const one = createTaskRegistry().task('one', { concurrency: 1 })(() => {})
    const { claimer, manager, taken } = createClaimer(one)
    for (let i = 0; i < 2; i += 1) expect(await taken()).toEqual([])
    const runAt = [1, 2, 3].map((n) => new Date(old.getTime() + n))
    const made = await manager.createTasks(runAt.map((at) => ({ task: one, runAt: at })))
    claimer.rescan()
    for (const { taskId } of made) expect(await taken()).toEqual([taskId])
  })
})

test('a freed slot claims at once where more tasks are likely; otherwise one debounced claim follows several', async () => {
  const registry = createTaskRegistry()
  const free = registry.task('free')(() => {})
  const one = registry.task('one', { concurrency: 1 })(() => {})
  const rated = registry.task('rated', { rateLimit: { max: 9, perSeconds: 60 } })(() => {})
  const { claimer, manager, taken, wakeUps, onDebounced } = createClaimer(free, one, rated)
  await manager.createTask(free)
  expect(await taken()).toHaveLength(1)
  for (let i = 0; i < 3; i += 1) claimer.noteFreed('free', false)
  expect(wakeUps).toEqual(['in 50 ms'])
  onDebounced.shift()?.()
  claimer.noteFreed('free', false)
  expect(wakeUps.splice(0)).toEqual(['in 50 ms', 'in 50 ms'])
  claimer.noteFreed('free', true)
  claimer.noteFreed('one', false)
  expect(wakeUps.splice(0)).toEqual(['now', 'now'])
  onDebounced.shift()?.()
  // Its end frees no permit: that returns with time.
  claimer.noteFreed('rated', false)
  expect(wakeUps.splice(0)).toEqual(['in 50 ms'])
  await manager.createTasks([{ task: free }, { task: free }])
  expect(await taken()).toHaveLength(2)
  claimer.noteFreed('free', false)
  expect(wakeUps).toEqual(['now'])
})

test('a task of a limited type that comes while a claim of it is in flight does not wait for the poll interval', async () => {
  const one = createTaskRegistry().task('one', { globalConcurrency: 1 })(() => {})
  const { claimer, manager, onResponse, taken } = createClaimer(one)
  claimer.noteEnd('one')
  onResponse.push(() => claimer.recheck())
  expect(await taken()).toEqual([])
  const late = await manager.createTask(one)
  expect(await taken()).toEqual([])
  expect(await taken()).toEqual([late.taskId])
})

test('a released permit that cannot be used here is announced, even if the first claim after it fails', async () => {
  const one = createTaskRegistry().task('one', { globalConcurrency: 1 })(() => {})
  const { claimer, manager, onResponse, taken, released } = createClaimer(one)
  await manager.createTasks([{ task: one }, { task: one }])
  claimer.noteEnd('one')
  expect(await taken()).toHaveLength(1)
  claimer.noteEnd('one')
  onResponse.push(() => {
    throw new Error('the connection broke')
  })
  await expect(taken()).rejects.toThrow('the connection broke')
  expect(released).toEqual([])
  expect(await taken()).toEqual([])
  expect(released).toEqual([['one']])
})
