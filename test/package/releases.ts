import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { pack, root, run, SOURCES } from './pack.ts'

/** The commit of the last release; before the first one, a version from before its newest migrations. */
export const LAST_RELEASE = '1cc6113396cfa3c8228f1541a22ebf1e494b98c6'

/** An installed package. */
export interface Release {
  readonly name: 'old' | 'new'
  /** Its main module. */
  readonly entry: string
  readonly folder: string
}

/** Packs and unpacks the last release and this version, each into a `node_modules` of its own, once for a file. */
export function useReleases(): { readonly old: Release; readonly current: Release } {
  const folder = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-releases-'))
  const releaseIn = (name: Release['name']): Release => {
    const installed = path.join(folder, name, 'node_modules/fastify-async-tasks')
    return { name, folder: installed, entry: path.join(installed, 'dist/index.js') }
  }
  const releases = { old: releaseIn('old'), current: releaseIn('new') }
  beforeAll(async () => {
    // Where both find what they depend on.
    symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
    await installFormerDependencies(path.join(folder, 'old'))
    await install(releases.old, copyLastRelease)
    await install(releases.current, (copy) => {
      for (const name of SOURCES) cpSync(path.join(root, name), path.join(copy, name), { recursive: true })
    })
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return releases
}

async function install(release: Release, copySources: (copy: string) => unknown): Promise<void> {
  const { tarball } = await pack(path.join(release.folder, '../..'), copySources)
  mkdirSync(release.folder, { recursive: true })
  await run('tar', ['-xzf', tarball, '-C', release.folder, '--strip-components=1'])
  if (!existsSync(release.entry)) throw new Error(`the package lacks ${release.entry}`)
}

/** What the last release depends on and this version does not. */
async function installFormerDependencies(folder: string): Promise<void> {
  await run('git', ['cat-file', '-e', `${LAST_RELEASE}^{commit}`], { cwd: root }).catch((cause) => {
    const missing = `this clone lacks the commit ${LAST_RELEASE}, the last release: run git fetch --unshallow`
    throw new Error(missing, { cause })
  })
  const { stdout } = await run('git', ['show', `${LAST_RELEASE}:package.json`], { cwd: root })
  const { dependencies } = JSON.parse(stdout) as { dependencies: Record<string, string> }
  const former = Object.entries(dependencies).filter(
    ([name]) => !existsSync(path.join(root, 'node_modules', name)),
  )
  if (former.length === 0) return
  mkdirSync(folder)
  const specs = former.map(([name, range]) => `${name}@${range}`)
  await run('npm', [
    'install',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    '--prefix',
    folder,
    ...specs,
  ])
}

async function copyLastRelease(copy: string): Promise<void> {
  const archive = path.join(copy, '../sources.tar')
  await run('git', ['archive', `--output=${archive}`, LAST_RELEASE, ...SOURCES], { cwd: root })
  await run('tar', ['-xf', archive, '-C', copy])
}
