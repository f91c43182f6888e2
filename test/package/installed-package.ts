import { type ChildProcess, execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll } from 'vitest'

export const run = promisify(execFile)
export const root = path.resolve(import.meta.dirname, '../..')
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  files: string[]
  peerDependencies: Record<string, string>
  devDependencies: Record<string, string>
}
const readme = readFileSync(path.join(root, 'README.md'), 'utf8')
export const liveGuide = readFileSync(path.join(root, 'docs/live.md'), 'utf8')
const folder = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-package-'))

/** An empty project of somebody else's, in which the package is installed. */
export const host = path.join(folder, 'host')

/** Installs the package for the tests of a file, once. */
export function useInstalledPackage(): { readonly packed: readonly string[] } {
  let packed: string[] = []
  beforeAll(async () => {
    const { tarball, names } = await pack()
    packed = names
    mkdirSync(host)
    writeFileSync(path.join(host, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
    // As in most hosts, nothing can be traced.
    const peers = Object.entries(manifest.peerDependencies).filter(([name]) => name !== '@opentelemetry/api')
    const types = Object.entries(manifest.devDependencies).filter(([name]) =>
      /^@types\/(node|pg|react)$/.test(name),
    )
    const wanted = [...peers, ...types].map(([name, range]) => `${name}@${range}`)
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball, ...wanted], {
      cwd: host,
    })
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return {
    get packed() {
      return packed
    },
  }
}

/** Built in a copy: others may use the project's own `dist` meanwhile. */
async function pack(): Promise<{ tarball: string; names: string[] }> {
  const copy = path.join(folder, 'project')
  mkdirSync(copy)
  const sources = ['src', 'migrations', 'package.json', 'tsconfig.json', 'tsconfig.build.json']
  for (const name of [...sources, 'README.md', 'CHANGELOG.md', 'LICENSE']) {
    cpSync(path.join(root, name), path.join(copy, name), { recursive: true })
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
  const { stdout } = await run('npm', ['pack', '--pack-destination', folder], { cwd: copy })
  const tarball = path.join(folder, stdout.trim().split('\n').at(-1) ?? '')
  const { stdout: list } = await run('tar', ['-tzf', tarball])
  return { tarball, names: list.split('\n').filter((name) => name !== '') }
}

/** The code block of a language that holds these words; by default the README's. */
export function example(language: string, words: string, document = readme): string {
  const blocks = [...document.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
  const found = blocks.find(([, tag, code]) => tag === language && code?.includes(words))
  if (!found?.[2]) throw new Error(`there is no ${language} example with ${words}`)
  return found[2]
}

export const embedding = () => example('js', 'app.register(asyncTasks')
export const handler = () => example('ts', "task('import_feed'")

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
