import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { RUNS, type Run } from './runs.ts'

const root = path.resolve(import.meta.dirname, '..')
const files = globSync('test/**/*.test.ts', { cwd: root })
const runs = Object.keys(RUNS) as Run[]

function runsOf(file: string): Run[] {
  const matches = (patterns: readonly string[]) => patterns.some((one) => path.matchesGlob(file, one))
  return runs.filter((run) => matches(RUNS[run].include) && !matches(RUNS[run].exclude))
}

test('every test file is in exactly one run', () => {
  expect(files.length).toBeGreaterThan(100)
  expect(files.filter((file) => runsOf(file).length !== 1)).toEqual([])
})

test('no run is empty', () => {
  expect(new Set(files.flatMap(runsOf))).toEqual(new Set(runs))
})

test('every run has its command', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  expect(scripts).toMatchObject({
    test: 'vitest run --project quick --project slow',
    'test:quick': 'vitest run --project quick',
    'test:servers': 'vitest run --project servers',
    'test:browser': 'vitest run --project browser --maxWorkers 4',
    'test:attacks': 'vitest run --project attacks',
    'test:chaos': 'vitest run --project chaos',
    'test:package': 'vitest run --project package',
    'test:long': 'vitest run --project long',
  })
})
