import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, inject, onTestFinished } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { packSources, root, run } from './pack.ts'

export { root, run }

const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  files: string[]
  peerDependencies: Record<string, string>
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}
const readme = readFileSync(path.join(root, 'README.md'), 'utf8')
export const liveGuide = readFileSync(path.join(root, 'docs/live.md'), 'utf8')
const folder = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-package-'))

/** An empty project of somebody else's, in which the package is installed. */
export const host = path.join(folder, 'host')

export interface InstalledPackage {
  readonly packed: readonly string[]
  /** Installs it in another empty project, with these versions of peers, and returns the folder. */
  installWith(peers: Record<string, string>): Promise<string>
}

/** Installs the package for the tests of a file, once, and beside it these dependencies of this project. */
export function useInstalledPackage(beside: readonly string[] = []): InstalledPackage {
  let packed: string[] = []
  let tarball = ''
  beforeAll(async () => {
    const project = inject('packed') ?? (await packSources(folder))
    packed = project.names
    tarball = project.tarball
    // The range of the peer allows the next major version, too, which one day is npm's latest.
    const own = { ...manifest.dependencies, ...manifest.devDependencies }
    const versions = ['drizzle-orm', ...beside].map((name) => [name, own[name] ?? ''])
    await install(tarball, host, Object.fromEntries(versions))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return {
    get packed() {
      return packed
    },
    async installWith(peers) {
      const at = mkdtempSync(path.join(folder, 'host-'))
      await install(tarball, at, peers)
      return at
    },
  }
}

/** As a host does: npm refuses peers outside of the ranges that the package names. */
async function install(tarball: string, at: string, versions: Record<string, string>): Promise<void> {
  mkdirSync(at, { recursive: true })
  writeFileSync(path.join(at, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  // As in most hosts, nothing can be traced.
  const peers = Object.entries(manifest.peerDependencies).filter(([name]) => name !== '@opentelemetry/api')
  const types = Object.entries(manifest.devDependencies).filter(([name]) =>
    /^@types\/(node|pg|react)$/.test(name),
  )
  const wanted = Object.entries({ ...Object.fromEntries([...peers, ...types]), ...versions })
  const names = wanted.map(([name, range]) => `${name}@${range}`)
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball, ...names], { cwd: at })
}

/** The code block of a language that holds these words; by default the README's. */
export function example(language: string, words: string, document = readme): string {
  const blocks = [...document.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
  const found = blocks.find(([, tag, code]) => tag === language && code?.includes(words))
  if (!found?.[2]) throw new Error(`there is no ${language} example with ${words}`)
  return found[2]
}

export const embedding = () => example('js', "task('count_pages'")
export const handler = () => example('ts', "task('import_feed'")

/** Without any table; dropped when the test ends. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase('empty')
  onTestFinished(() => database.drop())
  return database
}

export interface StartedApp {
  readonly process: ChildProcess
  readonly address: string
  /** Code and signal of its exit. */
  readonly ended: Promise<unknown[]>
}

/** Starts a file of the host, an app that listens; killed when the test ends, before its database is dropped. */
export async function startApp(
  file: string,
  env: Record<string, string>,
  node = process.execPath,
): Promise<StartedApp> {
  const app = spawn(node, [file], {
    cwd: host,
    env: { PATH: process.env.PATH, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(app, 'exit')
  onTestFinished(async () => {
    app.kill('SIGKILL')
    await ended
  })
  return { process: app, ended, address: await listeningAddress(app) }
}

/** Fastify logs a line for each address. */
export async function listeningAddress(app: ChildProcess): Promise<string> {
  let output = ''
  for await (const text of app.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    output += String(text)
    const [, address] = /Server listening at (http:\/\/127\.0\.0\.1:\d+)/.exec(output) ?? []
    if (address !== undefined) {
      app.stdout?.resume()
      return address
    }
  }
  throw new Error(`the example ended before it listened:\n${output}`)
}
