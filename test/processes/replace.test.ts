import { expect, test } from 'vitest'
import { runStorm } from './replace.ts'

test('two processes replace one task until one is killed: it runs by its rule, whole, and the last params run', async () => {
  const options = { delayMs: 1_000, maxDelayMs: 1_500 }
  const { tasks } = await runStorm({ creators: 2, perSecond: 200, forMs: 4_000, killEveryMs: 2_000, options })
  for (const { createdAt, runAt, startedAt } of tasks) {
    expect(Number(runAt) - Number(createdAt)).toBeGreaterThanOrEqual(options.delayMs)
    expect(Number(runAt) - Number(createdAt)).toBeLessThanOrEqual(options.maxDelayMs)
    expect(Number(startedAt)).toBeGreaterThanOrEqual(Number(runAt))
  }
})
