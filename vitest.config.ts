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
    // How long to wait for what never comes. How soon something must come is measured where it is promised.
    expect: { poll: { timeout: 10_000 } },
  },
})
