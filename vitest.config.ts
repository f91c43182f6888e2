import { randomInt } from 'node:crypto'
import { defineConfig, type TestProjectConfiguration } from 'vitest/config'
import { HAS_CHROMIUM } from './test/browser/executable.ts'
import { BROWSER, RUNS, type Run } from './test/runs.ts'

// A machine without a browser runs all other tests. In CI they fail.
const leftOut = HAS_CHROMIUM || process.env.CI ? [] : [BROWSER]

/** A run is a project of its name; test/README.md says which files are in which. */
function project(name: Run): TestProjectConfiguration {
  const { include, exclude } = RUNS[name]
  // Speed is measured one file at a time.
  const parallel = name === 'long' ? { fileParallelism: false, sequence: { groupOrder: 1 } } : {}
  return { extends: true, test: { name, include, exclude: [...exclude, ...leftOut], ...parallel } }
}

export default defineConfig({
  test: {
    projects: (Object.keys(RUNS) as Run[]).map(project),
    globalSetup: ['test/support/global-setup.ts'],
    // One seed a run, the same in every file.
    env: { CHAOS_SEED: process.env.CHAOS_SEED ?? String(randomInt(2 ** 31)) },
    // Most tests wait for processes and for PostgreSQL; one worker would leave a small machine idle.
    maxWorkers: 2,
    // Waits end at their event. These limits end a test that hangs, on a busy machine too.
    testTimeout: 120_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 60_000 } },
  },
})
