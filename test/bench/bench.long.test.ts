import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, inject, onTestFinished, test } from 'vitest'
import { blocksOf } from '../support/docs.ts'
import { parseOptions } from './options.ts'

const run = promisify(execFile)
const bench = path.join(import.meta.dirname, 'bench.ts')
const severalServers = path.join(import.meta.dirname, 'several-servers.ts')

test('a quick run without peers measures, and writes table, figures and picture', {
  timeout: 120_000,
}, async () => {
  const output = mkdtempSync(path.join(tmpdir(), 'bench-'))
  onTestFinished(() => rmSync(output, { recursive: true }))
  const env = { ...process.env, BENCH_DATABASE_URL: inject('postgres').adminUrl }
  const args = ['--quick', '--own', '--measures', 'run-1', '--output', output]
  const { stdout } = await run(process.execPath, [bench, ...args], { env })
  expect(stdout).toMatch(/\| no-op tasks processed, 1 process +\| +[\d,]+\/s \| +[\d,]+\/s \|/)

  const figures = JSON.parse(readFileSync(path.join(output, 'bench.json'), 'utf8'))
  expect(figures).toMatchObject({
    rounds: 1,
    machine: { node: process.versions.node, versions: { 'fastify-async-tasks': expect.any(String) } },
    samples: expect.arrayContaining([
      expect.objectContaining({
        ...{ measure: 'run-1', system: 'fastify-async-tasks', round: 1 },
        perSecond: expect.any(Number),
        clientCpuMicros: expect.any(Number),
      }),
    ]),
  })
  expect(readFileSync(path.join(output, 'bench.md'), 'utf8')).toContain('| no-op tasks processed')
  expect(readFileSync(path.join(output, 'bench.svg'), 'utf8')).toContain('no-op tasks processed, 1 process')
})

test.each([
  [['--rounds', '0'], /--rounds must be a whole number from 1, got '0'/],
  [['--measures', 'speed'], /no measure 'speed'; there are: create-50, .*run-1/],
  [['--systems', 'cron'], /no system 'cron'; there are: fastify-async-tasks, .*bullmq/],
  [['--fast'], /Unknown option '--fast'/],
])('%j is refused with what would be right', (args, message) => {
  expect(() => parseOptions(args)).toThrow(message)
})

const commands = blocksOf('docs/benchmark.md').flatMap(({ text }) => [
  ...text.matchAll(/^npm run bench(?: -- ([^#\n]*))?/gm),
])

test('the commands of docs/benchmark.md have arguments that it takes', () => {
  const options = commands.map(([, args = '']) => parseOptions(args.trim().split(/ +/).filter(Boolean)))
  expect(options.map(({ rounds, scale, help }) => [rounds, scale, help])).toEqual([
    [5, 1, false],
    [1, 0.1, false],
    [5, 1, false],
    [3, 1, false],
    [5, 1, true],
  ])
})

test('a short run over several servers prints what one and two of them carry', {
  timeout: 120_000,
}, async () => {
  const { adminUrl } = inject('postgres')
  const env = { ...process.env, BENCH_DATABASE_URLS: `${adminUrl} ${adminUrl}` }
  const args = ['--servers', '1,2', '--rounds', '1', '--ms', '200', '--tasks', '2000', '--output', 'none']
  const { stdout } = await run(process.execPath, [severalServers, ...args], { env })
  for (const servers of [1, 2])
    expect(stdout).toMatch(new RegExp(`│ ${servers} +│ [1-9]\\d* +│ [1-9]\\d* +│`))
})
