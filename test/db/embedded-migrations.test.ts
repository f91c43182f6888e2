import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { ENGINE_MIGRATIONS } from '../../src/db/engine-migrations.ts'
import { version } from '../../src/version.ts'

const root = path.resolve(import.meta.dirname, '../..')
const read = (name: string) => readFileSync(path.join(root, name), 'utf8')

test('what is embedded is what the files say; `npm run db:generate` embeds migrations', () => {
  expect(version).toBe(JSON.parse(read('package.json')).version)
  const { entries } = JSON.parse(read('migrations/tasks/meta/_journal.json')) as {
    entries: { tag: string; when: number }[]
  }
  const oldestVersions = JSON.parse(read('migrations/tasks/oldest-versions.json')) as Record<string, string>
  const files = entries.map(({ tag, when }) => ({
    name: tag,
    when,
    oldestVersion: oldestVersions[tag],
    text: read(`migrations/tasks/${tag}.sql`),
  }))
  expect(ENGINE_MIGRATIONS).toEqual(files)
})
