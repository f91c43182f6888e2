import { randomInt } from 'node:crypto'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // One seed a run, the same in every file.
    env: { CHAOS_SEED: process.env.CHAOS_SEED ?? String(randomInt(2 ** 31)) },
    // Most tests wait for processes and for PostgreSQL; one worker would leave a small machine idle.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
