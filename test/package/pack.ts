import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'

export const run = promisify(execFile)
export const root = path.resolve(import.meta.dirname, '../..')

/** What a build needs of the sources. */
export const SOURCES = [
  ...['src', 'migrations', 'package.json', 'tsconfig.json', 'tsconfig.build.json'],
  ...['README.md', 'CHANGELOG.md', 'LICENSE'],
]

export interface Packed {
  readonly tarball: string
  /** Of the files in it. */
  readonly names: string[]
}

/**
 * Builds in a copy: others may use the project's own `dist` meanwhile.
 *
 * @param copySources fills the copy
 */
export async function pack(folder: string, copySources: (copy: string) => unknown): Promise<Packed> {
  const copy = path.join(folder, 'project')
  mkdirSync(copy, { recursive: true })
  await copySources(copy)
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
  const { stdout } = await run('npm', ['pack', '--pack-destination', folder], { cwd: copy })
  const tarball = path.join(folder, stdout.trim().split('\n').at(-1) ?? '')
  const { stdout: list } = await run('tar', ['-tzf', tarball])
  return { tarball, names: list.split('\n').filter((name) => name !== '') }
}

/** Packs the project as it is, documentation included. */
export async function packSources(folder: string): Promise<Packed> {
  return pack(folder, (copy) => {
    for (const name of [...SOURCES, 'docs', 'README.zh-CN.md']) {
      cpSync(path.join(root, name), path.join(copy, name), { recursive: true })
    }
  })
}
