import { randomInt } from 'node:crypto'
import path from 'node:path'
import { defineConfig, type TestProjectConfiguration } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { HAS_CHROMIUM } from './test/browser/executable.ts'
import { BROWSER, RUNS, type Run } from './test/runs.ts'
import { fastFolder } from './test/support/fast-folder.ts'

// Workers and the processes that tests start load the same modules: compiled once.
process.env.NODE_COMPILE_CACHE ??= path.resolve(import.meta.dirname, 'node_modules/.cache/node')

// A machine without a browser runs all other tests. In CI they fail. Projects do not take the command's --exclude.
const leftOut = [
  ...(HAS_CHROMIUM || process.env.CI ? [] : [BROWSER]),
  ...(process.env.TEST_EXCLUDE?.split(' ') ?? []),
]

/** A run is a project of its name; test/README.md says which files are in which. */
function project(name: Run): TestProjectConfiguration {
  const { include, exclude } = RUNS[name]
  // Speed is measured one file at a time.
  const parallel = name === 'long' ? { fileParallelism: false, sequence: { groupOrder: 1 } } : {}
  // Loading the same modules again for each file costs 40 % of the CPU time of quick: a worker keeps them.
  const isolate = name !== 'quick' && name !== 'slow'
  // Installed packages are too large for memory, and speed is that of a disk.
  const env = name === 'package' || name === 'long' ? {} : { TMPDIR: fastFolder() }
  // Packed once for all of its files.
  const globalSetup = name === 'package' ? ['test/package/pack-once.ts'] : []
  return {
    extends: true,
    test: {
      name,
      include,
      exclude: [...exclude, ...leftOut, '**/node_modules/**'],
      isolate,
      env,
      globalSetup,
      ...parallel,
    },
  }
}

/** What takes longest starts first, so that no worker is left alone with it at the end. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId, project }: TestSpecification) =>
      project.name === 'quick' ? 2 : moduleId.includes('/test/processes/') ? 0 : 1
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other))
  }
}

export default defineConfig({
  test: {
    projects: (Object.keys(RUNS) as Run[]).map(project),
    globalSetup: ['test/support/global-setup.ts'],
    // One seed a run, the same in every file.
    env: { CHAOS_SEED: process.env.CHAOS_SEED ?? String(randomInt(2 ** 31)) },
    // Most tests wait for processes and for PostgreSQL; two workers leave a small machine idle.
    maxWorkers: 6,
    sequence: { sequencer: LongestFirst },
    // Waits end at their event. These limits end a test that hangs, on a busy machine too.
    testTimeout: 180_000,
    hookTimeout: 240_000,
    // A watch that could not open its stream in time tries again after a minute.
    expect: { poll: { timeout: 90_000 } },
  },
})
