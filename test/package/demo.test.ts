import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')
const demo = path.join(root, 'src/cli/demo.ts')
vi.setConfig({ testTimeout: 300_000 })

interface Run {
  readonly process: ChildProcess
  /** What was printed so far, on both streams. */
  readonly output: () => string
  /** Resolves to the exit code. */
  readonly ended: Promise<number | null>
}

function run(command: string, args: readonly string[]): Run {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // The environment of a server in use: the demo must not care.
    env: {
      ...process.env,
      DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
      PORT: '1',
      TERM: 'xterm-256color',
    },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      output += text
    })
  }
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return { process: child, output: () => output, ended }
}

/** What a demo has left in the folder of temporary files. */
function listLeftovers({ process: { pid } }: Run): string[] {
  const parents = [...new Set(['/tmp', tmpdir()])]
  return parents
    .flatMap((parent) => readdirSync(parent))
    .filter((name) => name.startsWith(`fastify-async-tasks-demo-${pid}-`))
}

test('`npm run demo` is what is tested here', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  expect(scripts.demo).toBe('exec node src/cli/demo.ts')
})

test('it loads the four tasks, says how far they are in plain lines, and leaves nothing', async () => {
  const demoRun = run(process.execPath, [demo])
  const { ended, output } = demoRun
  expect({ code: await ended, output: output() }).toMatchObject({ code: 0 })
  for (const taskType of ['init_stocks', 'init_sectors', 'backfill_by_date', 'backfill_by_range']) {
    expect(output()).toMatch(new RegExp(`^${taskType} +completed +100 %  \\d+ of \\d+$`, 'm'))
  }
  expect(output()).toMatch(/^backfill_by_range +running +\d+ %/m)
  expect(output()).toMatch(/400 stocks\n.*industries.*members\n.*daily bars of 254 trading days\n$/)
  expect(output()).not.toContain('\u001B')
  expect(listLeftovers(demoRun)).toEqual([])
})

const script = spawnSync('script', ['--version'])
const hasPseudoTerminal = script.status === 0 && String(script.stdout).includes('util-linux')

test.runIf(hasPseudoTerminal)('in a terminal bars move', async () => {
  const { ended, output } = run('script', [
    '-qec',
    `stty cols 100; '${process.execPath}' '${demo}'`,
    '/dev/null',
  ])
  expect({ code: await ended, output: output() }).toMatchObject({ code: 0 })
  const range = [...output().matchAll(/backfill_by_range +█*░* +(\d+) %/g)].map(([, percent]) =>
    Number(percent),
  )
  expect(range[0]).toBe(0)
  expect(range.at(-1)).toBe(100)
  expect(new Set(range).size).toBeGreaterThan(2)
  // The cursor and the wrapping of lines are as they were.
  expect(output().lastIndexOf('\u001B[?25h')).toBeGreaterThan(output().lastIndexOf('\u001B[?25l'))
  expect(output().lastIndexOf('\u001B[?7h')).toBeGreaterThan(output().lastIndexOf('\u001B[?7l'))
})

test('an interrupt in the middle stops it, and leaves nothing', async () => {
  const demoRun = run(process.execPath, [demo])
  const { process: child, ended, output } = demoRun
  await expect.poll(output, { timeout: 240_000 }).toMatch(/backfill_by_range +running/)
  expect(listLeftovers(demoRun)).toHaveLength(1)
  child.kill('SIGINT')
  expect({ code: await ended, output: output() }).toMatchObject({ code: 130 })
  expect(output()).toMatch(/stopped; nothing is left behind\n$/)
  expect(listLeftovers(demoRun)).toEqual([])
})

test('a reader that has seen enough stops it, and leaves nothing', async () => {
  const demoRun = run(process.execPath, [demo])
  const { process: child, ended, output } = demoRun
  await expect.poll(output, { timeout: 240_000 }).toMatch(/four tasks over REST/)
  expect(listLeftovers(demoRun)).toHaveLength(1)
  child.stdout?.destroy()
  expect({ code: await ended, output: output() }).toMatchObject({ code: 0 })
  expect(output()).toMatch(/stopped; nothing is left behind\n$/)
  expect(listLeftovers(demoRun)).toEqual([])
})
