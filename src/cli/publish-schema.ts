import { readFileSync, rmSync, writeFileSync } from 'node:fs'

/**
 * Puts the sources of the Drizzle tables into `dist` in place of their declarations. Declarations name types of one
 * version of Drizzle, and fail with another; from the sources a host's compiler infers the types of its version.
 */
const sources = new URL('../engine/store/', import.meta.url)
const dist = new URL('../../dist/engine/store/', import.meta.url)

for (const name of ['schema', 'task-tables', 'fleet-tables']) {
  const source = readFileSync(new URL(`${name}.ts`, sources), 'utf8')
  // Without the declaration the build has changed, and nothing would be replaced.
  rmSync(new URL(`${name}.d.ts`, dist))
  // A host's compiler may not allow imports of `.ts`.
  const published = source.replaceAll(/(from '\.[^']*)\.ts'/g, "$1.js'")
  writeFileSync(new URL(`${name}.ts`, dist), published)
}
