import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

interface Locked {
  readonly integrity?: string
  readonly resolved?: string
  readonly hasInstallScript?: boolean
  readonly dev?: boolean
  readonly devOptional?: boolean
}

const { packages } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as {
  packages: Record<string, Locked>
}
const installed = Object.entries(packages).filter(([path]) => path !== '')

test('every package is pinned by its hash, and comes from a registry', () => {
  expect(installed.length).toBeGreaterThan(100)
  for (const [path, { integrity, resolved = '' }] of installed) {
    expect.soft(integrity, path).toMatch(/^sha512-/)
    // A fork in git or a tarball of somebody's has no place here.
    expect.soft(resolved, path).toMatch(/^$|^https:\/\/registry\.npmjs\.org\//)
  }
})

test('no package that hosts install runs a script at its installation', () => {
  const scripts = installed.filter(([, { hasInstallScript }]) => hasInstallScript)
  expect(scripts.filter(([, { dev, devOptional }]) => !dev && !devOptional).map(([path]) => path)).toEqual([])
})
