import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { logTaskEvents } from '../../../../src/telemetry/log.ts'
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts'
import { createEngine, type Engine } from '../../../support/engine.ts'
import { type Make, thrownValues } from './odd-values.ts'

const BATCH = 40
/** Handlers throw what is drawn, under a number. */
const drawn = new Map<number, Make>()
const seen: unknown[] = []

const { task } = createTaskRegistry()
const throwing = z.object({ at: z.number(), secret: z.string() })
const options = { params: throwing }
const plain = task(
  'plain',
  options,
)(({ at }) => {
  throw drawn.get(at)
})
const hiding = task('hiding', { ...options, redact: ['secret'] })(async ({ at }, ctx) => {
  ctx.log.error('failing', { err: drawn.get(at) })
  throw drawn.get(at)
})
const policed = task('policed', {
  ...options,
  retry: () => {
    throw drawn.get(-1)?.()
  },
})(async ({ at }) => {
  throw drawn.get(at)
})

let database: TestDatabase
let engine: Engine

beforeAll(async () => {
  database = await createTestDatabase()
  engine = createEngine(database, [plain, hiding, policed], {
    concurrency: 64,
    retryBaseMs: 0,
    pollIntervalMs: 50,
  })
  const write = (fields: unknown) => void seen.push(JSON.stringify(fields))
  logTaskEvents(engine.events, { debug: write, info: write, warn: write, error: write })
  engine.executor.start()
  return async () => {
    await engine.executor.stop()
    await database.drop()
  }
})
afterAll(() => expect(seen.length).toBeGreaterThan(BATCH))

test('whatever is thrown, its attempt has failed, and is retried as its options say', {
  timeout: 240_000,
}, async () => {
  const cases = fc.record({
    thrown: thrownValues(),
    by: fc.constantFrom(plain, hiding, policed),
    maxRetries: fc.constantFrom(0, 0, 1),
  })
  const property = fc.asyncProperty(
    fc.array(cases, { minLength: BATCH, maxLength: BATCH }),
    async (batch) => {
      for (const [at, { thrown }] of batch.entries()) drawn.set(at, thrown)
      drawn.set(-1, batch[0]?.thrown ?? String)
      const created = await engine.manager.createTasks(
        batch.map(({ by, maxRetries }, at) => ({
          task: by,
          params: { at, secret: 'first' },
          maxRetries,
        })),
      )
      const ended = await Promise.all(
        created.map(({ taskId }) => engine.manager.waitFor(taskId, { timeoutMs: 60_000 })),
      )
      for (const [at, { status, retryCount, error, attempts }] of ended.entries()) {
        const retries = batch[at]?.maxRetries ?? 0
        expect({ status, retryCount, attempts: attempts.length }).toEqual({
          status: 'failed',
          retryCount: retries,
          attempts: retries + 1,
        })
        expect(error).toMatch(/\S/)
        for (const attempt of attempts) expect(attempt).toMatchObject({ outcome: 'failed', error })
      }
    },
  )
  // Shrinking would run the engine for minutes: the values of a failure are printed as they are.
  await fc.assert(property, { numRuns: 12, endOnFailure: true })
})
