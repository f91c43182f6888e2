import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)

test('output that cannot be written ends with 1, and a reader that has seen enough with 0', async () => {
  const root = path.resolve(import.meta.dirname, '../..')
  const command = `"${process.execPath}" src/cli/bin.ts completion bash`
  const full = await run('bash', ['-c', `${command} > /dev/full`], { cwd: root }).catch((error) => error)
  expect(full).toMatchObject({ code: 1, stderr: expect.stringMatching(/^FAILED: .*ENOSPC/) })
  // Its reader is gone before it writes.
  const closed = `exec 1> >(exec 0<&-); wait $!; ${command}`
  expect(await run('bash', ['-c', closed], { cwd: root })).toMatchObject({ stderr: '' })
  const unread = `exec 2> >(exec 0<&-); wait $!; "${process.execPath}" src/cli/bin.ts nothing`
  expect(await run('bash', ['-c', unread], { cwd: root }).catch((error) => error)).toMatchObject({ code: 2 })
})
