import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { createGate, type Engine } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { captureStatements } from '../../support/plans.ts'

const engines = useEngines()
/** What waits for a permit starts without a poll. */
const deafOtherwise = {
  pollIntervalMs: 60_000,
  heartbeatIntervalMs: 60_000,
  leaseMs: 600_000,
  concurrency: 20,
}
const hears = { hears: true }

async function whenEnded({ events }: Engine, count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let left = count
  events.on('ended', () => --left === 0 && resolve())
  await promise
}

/** Starts as the database has dated them, in order. */
async function readStarts(key?: string): Promise<number[]> {
  const { rows } = await engines.database.pool.query<{ at: number }>(
    `select extract(epoch from started_at)::float8 * 1000 as at from async_tasks
      where started_at is not null and ($1::text is null or rate_key = $1) order by started_at`,
    [key ?? null],
  )
  return rows.map(({ at }) => at)
}

/** The most starts in any window. */
function mostIn(starts: readonly number[], windowMs: number): number {
  return Math.max(...starts.map((from) => starts.filter((at) => at >= from && at < from + windowMs).length))
}

describe('rateLimit', () => {
  test.each([1, 20])(
    'starts at most max in any window, in all processes, without polls: %i types',
    async (types) => {
      const { task } = createTaskRegistry()
      const rated = task('rated', { rateLimit: { max: 5, perSeconds: 0.5 } })(() => {})
      const all = [rated, ...Array.from({ length: types - 1 }, (_, i) => task(`other${i}`)(() => {}))]
      const workers = [1, 2, 3].map(() => engines.start(all, deafOtherwise, hears))
      const [first] = workers as [Engine]
      const ended = Promise.race(workers.map(() => waitForAll(first, 24)))
      await first.manager.createTasks(Array.from({ length: 24 }, () => ({ task: rated })))
      await ended
      const starts = await readStarts()
      expect(starts).toHaveLength(24)
      expect(mostIn(starts, 500)).toBe(5)
    },
  )

  test('of each key: keys have permits of their own, however long the backlog of one is', async () => {
    const { task } = createTaskRegistry()
    const rated = task('rated', {
      rateLimit: { max: 2, perSeconds: 0.4, key: ({ key }: Record<string, unknown>) => String(key) },
    })(() => {})
    const { manager, ...engine } = engines.create([rated], deafOtherwise)
    await manager.createTasks(Array.from({ length: 300 }, () => ({ task: rated, params: { key: 'long' } })))
    await manager.createTasks(
      ['a', 'b', 'c'].flatMap((key) => [1, 2, 3].map(() => ({ task: rated, params: { key } }))),
    )
    engine.executor.start()
    await expect.poll(async () => (await readStarts('c')).length, { interval: 20 }).toBe(3)
    for (const key of ['a', 'b', 'c']) {
      await expect.poll(async () => (await readStarts(key)).length, { interval: 20 }).toBe(3)
      expect(mostIn(await readStarts(key), 400)).toBe(2)
    }
    expect(mostIn(await readStarts('long'), 400)).toBe(2)
  })

  test('together with globalConcurrency and concurrencyKey holds all of them', async () => {
    const { task } = createTaskRegistry()
    let running = 0
    let most = 0
    const keyOf = ({ key }: Record<string, unknown>) => String(key)
    const rated = task('rated', {
      ...{ globalConcurrency: 2, concurrencyKey: keyOf },
      rateLimit: { max: 3, perSeconds: 0.3, key: keyOf },
    })(async () => {
      running += 1
      most = Math.max(most, running)
      await new Promise((resolve) => setTimeout(resolve, 5))
      running -= 1
    })
    const engine = engines.start([rated], deafOtherwise)
    const ended = whenEnded(engine, 20)
    await engine.manager.createTasks(
      Array.from({ length: 20 }, (_, n) => ({ task: rated, params: { key: `k${n % 4}` } })),
    )
    await ended
    expect(most).toBeLessThanOrEqual(2)
    for (let n = 0; n < 4; n += 1) expect(mostIn(await readStarts(`k${n}`), 300)).toBeLessThanOrEqual(3)
  })

  test('with a key, beside a concurrencyKey, leaves no permit unused while a task of a free key waits', async () => {
    const { task } = createTaskRegistry()
    const started: unknown[] = []
    const ends = createGate()
    const rated = task('rated', {
      concurrencyKey: ({ document }: Record<string, unknown>) => String(document),
      rateLimit: { max: 2, perSeconds: 3_600, key: () => 'customer' },
    })(({ document }) => {
      started.push(document)
      return ends.opened
    })
    const { manager, executor } = engines.create([rated], deafOtherwise)
    await manager.createTasks(['a', 'a', 'b'].map((document) => ({ task: rated, params: { document } })))
    executor.start()
    await expect.poll(() => started, { interval: 20 }).toEqual(['a', 'b'])
    ends.open()
  })

  test('counts retries, and what waits holds no other type back', async () => {
    const { task } = createTaskRegistry()
    const rated = task('rated', { rateLimit: { max: 1, perSeconds: 0.5 }, retryBaseMs: 0, maxRetries: 2 })(
      () => {
        throw new Error('again')
      },
    )
    const free = task('free')(() => {})
    const engine = engines.start([rated, free], { ...deafOtherwise, concurrency: 1 })
    const { taskId } = await engine.manager.createTask(rated, {}, { priority: 100 })
    const second = await engine.manager.createTask(rated, {}, { priority: 100 })
    for (let i = 0; i < 5; i += 1) {
      await engine.manager.waitFor((await engine.manager.createTask(free)).taskId, { timeoutMs: 30_000 })
    }
    const ended = await Promise.all([taskId, second.taskId].map((id) => engine.manager.waitFor(id)))
    const begun = ended.flatMap(({ attempts }) => attempts.map(({ startedAt }) => Number(startedAt)))
    expect(begun).toHaveLength(6)
    expect(mostIn(begun, 500)).toBe(1)
  })

  test('claims again only what a permit has returned for: types that wait for others cost nothing', async () => {
    const { task } = createTaskRegistry()
    const fast = task('fast', { rateLimit: { max: 1, perSeconds: 0.1 } })(() => {})
    const keyed = task('keyed', { rateLimit: { max: 1, perSeconds: 3_600, key: () => 'k' } })(() => {})
    const engine = engines.start([fast, keyed], deafOtherwise, hears)
    await engine.manager.createTasks(Array.from({ length: 300 }, () => ({ task: keyed })))
    await expect.poll(async () => (await readStarts('k')).length, { interval: 20 }).toBe(1)
    const sent = await captureStatements(engines.database.pool, async () => {
      const ended = whenEnded(engine, 20)
      await engine.manager.createTasks(Array.from({ length: 20 }, () => ({ task: fast })))
      await ended
    })
    const opened = sent.flatMap(({ text, values }) =>
      /\/\* tasks_claim_(limited|keys)/.test(text) ? [values[7] as string[]] : [],
    )
    const ofType = (name: string) => opened.filter((open) => open.includes(name)).length
    expect(ofType('fast')).toBeGreaterThanOrEqual(19)
    // The create alone makes it look again.
    expect(ofType('keyed')).toBeLessThanOrEqual(5)
  })

  test('of keys without a permit: claims look for one seldom while others come, and at once for a new key', async () => {
    const { task } = createTaskRegistry()
    const keyed = task('keyed', {
      rateLimit: { max: 1, perSeconds: 3_600, key: ({ key }: Record<string, unknown>) => String(key) },
    })(() => {})
    const other = task('other')(() => {})
    const { manager } = engines.start([keyed, other], deafOtherwise, hears)
    const elsewhere = engines.create([keyed], deafOtherwise, hears)
    const ended = async (taskId: string) => (await manager.waitFor(taskId)).status
    const createOthers = async () => {
      for (let i = 0; i < 100; i += 1) await ended((await manager.createTask(other)).taskId)
    }
    await manager.createTasks(Array.from({ length: 300 }, () => ({ task: keyed, params: { key: 'long' } })))
    await createOthers()
    const sent = await captureStatements(engines.database.pool, createOthers)
    const looked = sent.filter(({ text }) => /\/\* tasks_claim_(limited|keys)/.test(text))
    expect(looked.length).toBeLessThan(25)
    for (const [i, creator] of [manager, elsewhere.manager].entries()) {
      const [created] = await Promise.all([creator.createTask(keyed, { key: `new ${i}` }), createOthers()])
      expect(await ended(created.taskId)).toBe('completed')
    }
  })

  test('of keys without a permit: tasks of new keys that another process creates start without a poll', async () => {
    const { task } = createTaskRegistry()
    const keyed = task('keyed', {
      rateLimit: { max: 1, perSeconds: 3_600, key: ({ key }: Record<string, unknown>) => String(key) },
    })(() => {})
    const { manager } = engines.start([keyed], deafOtherwise, hears)
    const elsewhere = engines.create([keyed], deafOtherwise, hears)
    await manager.createTasks(Array.from({ length: 30 }, () => ({ task: keyed, params: { key: 'long' } })))
    for (let i = 0; i < 20; i += 1) {
      const { taskId } = await elsewhere.manager.createTask(keyed, { key: `new ${i}` })
      expect((await manager.waitFor(taskId, { timeoutMs: 30_000 })).status).toBe('completed')
    }
  })

  test.each(['constructor', 'toString', 'valueOf'])(
    'is not held back by a type that waits for a permit and has the name %s',
    async (name) => {
      const { task } = createTaskRegistry()
      const ends = createGate()
      const rated = task('rated', { rateLimit: { max: 1, perSeconds: 0.5 } })(() => {})
      const other = task(name, { globalConcurrency: 1 })(() => ends.opened)
      const { manager, executor } = engines.create([rated, other], deafOtherwise)
      await manager.createTasks([other, other, rated, rated, rated, rated].map((one) => ({ task: one })))
      // One claim looks at both types.
      executor.start()
      await expect
        .poll(async () => (await manager.listTasks({ status: ['completed'] })).total, { interval: 20 })
        .toBe(4)
      ends.open()
    },
  )

  test('is shown with its next permit', async () => {
    const { task } = createTaskRegistry()
    const rated = task('rated', { rateLimit: { max: 2, perSeconds: 3_600 } })(() => {})
    const keyed = task('keyed', { rateLimit: { max: 1, perSeconds: 60, key: () => 'k' } })(() => {})
    const plain = task('plain')(() => {})
    const { manager } = engines.start([rated, keyed, plain], deafOtherwise)
    const show = async () =>
      Object.fromEntries(
        (await manager.listTaskTypes()).map(({ taskType, rateLimit }) => [taskType, rateLimit]),
      )
    const none = { nextPermitAt: null }
    expect(await show()).toEqual({
      rated: { max: 2, perSeconds: 3_600, keyed: false, ...none },
      keyed: { max: 1, perSeconds: 60, keyed: true, ...none },
      plain: null,
    })
    const first = await manager.waitFor((await manager.createTask(rated)).taskId)
    expect((await show()).rated).toMatchObject(none)
    await manager.waitFor((await manager.createTask(rated)).taskId)
    const permitAt = (await show()).rated?.nextPermitAt
    expect(Math.abs(Number(permitAt) - Number(first.startedAt) - 3_600_000)).toBeLessThan(5_000)
  })

  async function waitForAll({ manager }: Engine, count: number): Promise<void> {
    await expect
      .poll(async () => (await manager.listTasks({ status: ['completed'] })).total, { interval: 50 })
      .toBe(count)
  }
})
