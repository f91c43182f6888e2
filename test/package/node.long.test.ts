import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { embedding, host, run, useInstalledPackage } from './installed-package.ts'
import { runEmbeddingExample, runThreadHandler } from './runs-under.ts'

useInstalledPackage()

/** @returns its binary, for the tests that surround the call */
function useNode(version: string): () => string {
  let node = ''
  beforeAll(async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-node-'))
    const install = ['install', '--no-audit', '--no-fund', '--prefer-offline', '--prefix', folder]
    await run('npm', [...install, `node@${version}`], { cwd: folder })
    node = path.join(folder, 'node_modules/node/bin/node')
    expect((await run(node, ['--version'])).stdout).toMatch(
      new RegExp(`^v${version.replaceAll('.', '\\.')}\\b`),
    )
    return () => rmSync(folder, { recursive: true, force: true })
  })
  return () => node
}

/** The lowest version that the package promises, and one of each line in use. */
describe.each(['22.18.0', '24', '26'])('under Node %s', (version) => {
  const node = useNode(version)

  test("the README's embedding example runs a task and shows it over REST", () => runEmbeddingExample(node()))
  test('a handler runs in a thread', () => runThreadHandler(node()))
})

describe('under Node 20', () => {
  const node = useNode('20')

  test('the package says which Node it needs', async () => {
    writeFileSync(path.join(host, 'old.js'), embedding())
    const started = run(node(), ['old.js'], { cwd: host })
    await expect(started).rejects.toMatchObject({
      stderr: expect.stringMatching(/needs Node\.js 22\.18 or later, and this is 20\./),
    })
  })
})
