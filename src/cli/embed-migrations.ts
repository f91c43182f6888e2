import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Writes the engine's migrations into a module, so that a bundle of one file holds them; `npm run db:generate`. */
const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = `${root}/migrations/tasks`
const { entries } = JSON.parse(readFileSync(`${folder}/meta/_journal.json`, 'utf8')) as {
  entries: { tag: string; when: number }[]
}
const embedded = entries.map(({ tag, when }) => {
  const text = readFileSync(`${folder}/${tag}.sql`, 'utf8').replace(/[\\`]|\$\{/g, '\\$&')
  return `  {\n    name: '${tag}',\n    when: ${when.toString().replace(/\B(?=(\d{3})+$)/g, '_')},\n    text: \`${text}\`,\n  },\n`
})
writeFileSync(
  `${root}/src/db/engine-migrations.ts`,
  `/** Generated from migrations/tasks by \`npm run db:generate\`: a bundle of one file has no files beside it. */
export const ENGINE_MIGRATIONS: readonly { name: string; when: number; text: string }[] = [
${embedded.join('')}]
`,
)
