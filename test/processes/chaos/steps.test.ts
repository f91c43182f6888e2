import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Arena, useArena } from './arena.ts'
import type { Effect } from './audit.ts'
import { type PostgresServer, startPostgres } from './postgres-server.ts'
import { between, expectWithin, LONG, pick } from './seed.ts'
import { monotonicMs } from './worker-messages.ts'
import type { WorkerProcess } from './worker-process.ts'
import { STEPS } from './worker-tasks.ts'

vi.setConfig({ testTimeout: 3_600_000 })

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres({ maxConnections: 100 })
})
afterAll(() => server.remove())
const arena = useArena(() => server.createDatabase())

const ROUNDS = LONG ? 200 : 4
const ALL_STEPS = Array.from({ length: STEPS }, (_, i) => i + 1)
const EFFECTS = `create table effects (
  id bigint generated always as identity, task_id text, step int, attempt int, nonce text)`

test('handlers of a hundred steps are killed at any moment: each effect is there once with tx, no finished step runs again', async () => {
  const { current } = arena
  const { random } = current
  await current.query(EFFECTS)
  await Promise.all([current.startWorker(), current.startWorker()])
  for (let round = 0; round < ROUNDS; round += 1) {
    const ids = new Map<string, boolean>()
    for (const tx of [true, false, true, false]) {
      ids.set(await current.createOne('stepped', { tx, ms: 10 }, { maxRetries: 50 }), tx)
    }
    await delay(between(random, 0, 1_500))
    await interrupt(current, round)
    await current.allEnded({ completed: 4 * (round + 1) })
    for (const [taskId, tx] of ids) await expectEachOnce(current, taskId, tx)
  }
})

test('a task of a hundred steps that is killed after step 95 runs again within the lease and a second, and redoes one', async () => {
  const { current } = arena
  await current.query(EFFECTS)
  const times: number[] = []
  let victim = await current.startWorker()
  for (const tx of LONG ? [true, false, true, false] : [false]) {
    const taskId = await current.createOne('stepped', { tx, ms: 2, holdAt: 96 })
    await victim.tells('held', (held) => held.taskId === taskId)
    const other = await current.startWorker()
    await current.isSteady(other)
    const killedAt = monotonicMs()
    await current.kill(victim)
    await other.tells('started', (run) => run.taskId === taskId)
    times.push(monotonicMs() - killedAt)
    await current.tasks.waitFor(taskId, { timeoutMs: 60_000 })
    const effects = await effectsOf(current, taskId, tx)
    const redone = effects.filter(({ attempt }) => attempt > 2).map(({ step }) => step)
    expect(redone).toEqual([96, 97, 98, 99, 100])
    await expectEachOnce(current, taskId, tx)
    victim = other
  }
  console.log(`goes on after ${times.map((ms) => `${Math.round(ms)} ms`).join(', ')}`)
  expectWithin(Math.max(...times), 3_000)
})

/** Kills whoever runs, restarts PostgreSQL, or loses a response. */
async function interrupt(current: Arena, round: number): Promise<void> {
  const { random, workers } = current
  const victim = pick(random, workers)
  if (round % 4 === 1) await server.restart(pick(random, ['fast', 'immediate'] as const))
  if (round % 4 === 2) await loseResponse(current, random() < 0.5 ? 'finish_step' : 'commit\0')
  if (round % 4 !== 1 || random() < 0.5) await replace(current, victim)
}

async function loseResponse(current: Arena, text: string): Promise<void> {
  // None may be left to lose.
  await Promise.race([current.proxy.dropAnswerTo(text), delay(500)])
}

async function replace(current: Arena, victim: WorkerProcess): Promise<void> {
  await current.kill(victim)
  await current.startWorker()
}

function effectsOf(current: Arena, taskId: string, tx: boolean): Promise<Effect[]> {
  if (!tx) return current.audit.effects(taskId)
  const text = 'select task_id as "taskId", step, attempt, nonce from effects where task_id = $1 order by id'
  return current.query(text, [taskId])
}

async function expectEachOnce(current: Arena, taskId: string, tx: boolean): Promise<void> {
  const effects = await effectsOf(current, taskId, tx)
  const task = await current.tasks.getTask(taskId)
  expect([...new Set(effects.map(({ step }) => step))]).toEqual(ALL_STEPS)
  if (tx) expect(effects).toHaveLength(STEPS)
  // No attempt goes back behind the step that was under way when the one before it ended.
  let last: Effect | undefined
  for (const effect of effects) {
    if (last && effect.attempt === last.attempt) expect(effect.step).toBe(last.step + 1)
    else if (last) expect([last.step, last.step + 1]).toContain(effect.step)
    last = effect
  }
  // What a later attempt read back is what the step has returned.
  expect(task?.result).toEqual(ALL_STEPS.map((step) => effects.findLast((one) => one.step === step)?.nonce))
  expect(task?.stepCount).toBe(STEPS + 1)
  const lost = task?.attempts.filter(
    ({ outcome }) => outcome !== 'sleeping' && outcome !== 'completed',
  ).length
  expect(effects.length - STEPS).toBeLessThanOrEqual(lost ?? 0)
}
