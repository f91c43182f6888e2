import { expect, test } from 'vitest'
import { runStorm } from './replace.ts'

const storm = { creators: 4, perSecond: 1_000, forMs: 66_000, killEveryMs: 7_000 }

test.each([
  // The pauses between two calls are never as long as the delay.
  { options: { delayMs: 5_000 }, least: 1, most: 1 },
  // A new task every 20 s.
  { options: { delayMs: 5_000, maxDelayMs: 20_000 }, least: 4, most: 5 },
])(
  '1,000 creates a second with one key and $options run $least to $most times',
  { timeout: 240_000 },
  async ({ options, least, most }) => {
    const { runs, tasks } = await runStorm({ ...storm, options })
    const lateMs = tasks.map(({ startedAt, runAt }) => Number(startedAt) - Number(runAt))
    console.log(`late by ${lateMs.join(', ')} ms`)
    // The row is locked most of the time until it is due.
    expect(Math.max(...lateMs)).toBeLessThan(1_000)
    console.log(`${runs} runs of ${tasks.length} tasks`)
    expect(runs).toBeGreaterThanOrEqual(least)
    expect(runs).toBeLessThanOrEqual(most)
  },
)
