import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Writes the engine's migrations into a module, so that a bundle of one file holds them; `npm run db:generate`. */
const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = `${root}/migrations/tasks`
const { entries } = JSON.parse(readFileSync(`${folder}/meta/_journal.json`, 'utf8')) as {
  entries: { tag: string; when: number }[]
}
const oldestVersions = JSON.parse(readFileSync(`${folder}/oldest-versions.json`, 'utf8')) as Record<
  string,
  string
>

function oldestVersionOf(tag: string): string {
  const version = oldestVersions[tag]
  if (version !== undefined && /^\d+\.\d+\.\d+$/.test(version)) return version
  throw new Error(
    `migrations/tasks/oldest-versions.json must name, such as "1.2.0", the oldest version that still works beside ${tag}`,
  )
}

const embedded = entries.map(({ tag, when }) => {
  const text = readFileSync(`${folder}/${tag}.sql`, 'utf8').replace(/[\\`]|\$\{/g, '\\$&')
  return `  {\n    name: '${tag}',\n    when: ${when.toString().replace(/\B(?=(\d{3})+$)/g, '_')},\n    oldestVersion: '${oldestVersionOf(tag)}',\n    text: \`${text}\`,\n  },\n`
})
writeFileSync(
  `${root}/src/db/engine-migrations.ts`,
  `/** Generated from migrations/tasks by \`npm run db:generate\`: a bundle of one file has no files beside it. */
export const ENGINE_MIGRATIONS: readonly {
  name: string
  when: number
  /** Earlier versions do not work beside it; from \`oldest-versions.json\`. */
  oldestVersion: string
  text: string
}[] = [
${embedded.join('')}]
`,
)
