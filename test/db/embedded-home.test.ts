import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { prepareHome } from '../../src/db/embedded-home.ts'

/** A machine whose users are those of its `id`, until `useradd` makes one. */
function pretendNoPostgresUser(folder: string): void {
  const made = path.join(folder, 'made')
  const commands = { id: `test -e ${made} && echo 65534`, useradd: `touch ${made}` }
  for (const [name, line] of Object.entries(commands)) {
    const file = path.join(folder, name)
    writeFileSync(file, `#!/bin/sh\n${line}\n`)
    chmodSync(file, 0o755)
  }
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`)
}

test.runIf(process.getuid?.() === 0)('root is told when the user postgres is created, and only then', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'home-'))
  onTestFinished(() => {
    vi.unstubAllEnvs()
    rmSync(folder, { recursive: true })
  })
  chmodSync(folder, 0o755)
  pretendNoPostgresUser(folder)
  const notices: string[] = []
  for (const _start of [1, 2]) prepareHome(folder, (notice) => notices.push(notice))
  expect(notices).toEqual([expect.stringContaining('created the system user postgres')])
})
