import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

const FOLDER = import.meta.dirname

/** The peers and the versions that are asked for; they belong to this folder's own package.json. */
export function peerVersions(): Record<string, string> {
  const manifest = readFileSync(path.join(FOLDER, 'package.json'), 'utf8')
  return (JSON.parse(manifest) as { dependencies: Record<string, string> }).dependencies
}

/** Installs what is missing, or present in another version. */
export function installPeers(): void {
  const wanted = Object.entries(peerVersions())
  if (wanted.every(([name, version]) => installedVersion(name) === version)) return
  console.log('installing the peers …')
  const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund'], {
    cwd: FOLDER,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status !== 0) throw new Error('the peers could not be installed; --own measures without them')
}

function installedVersion(name: string): string | undefined {
  const manifest = path.join(FOLDER, 'node_modules', name, 'package.json')
  if (!existsSync(manifest)) return undefined
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}
