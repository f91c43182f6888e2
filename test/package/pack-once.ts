import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestProject } from 'vitest/node'
import { type Packed, packSources } from './pack.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The package, for all tests of the project `package`. */
    packed: Packed | undefined
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-packed-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    project.provide('packed', await packSources(folder))
  } catch (error) {
    // Vitest calls the teardown only of a set-up that succeeded.
    remove()
    throw error
  }
  return remove
}
