import { fileURLToPath } from 'node:url'
import { readConfig } from '../config.ts'
import { migrate } from '../db/migrate.ts'
import { provideDatabase } from '../db/provide.ts'

/** `npm run db:migrate`: applies what the database lacks, lists it, and ends. */
async function main(): Promise<void> {
  const config = readConfig()
  const database = await provideDatabase({
    ...config.database,
    dataDir: fileURLToPath(new URL('../../.data', import.meta.url)),
    onNotice: console.log,
  })
  try {
    for (const history of ['tasks', 'server'] as const) {
      const applied = await migrate(database.directUrl, history, { mode: 'auto', onNotice: console.log })
      console.log(`${history}: ${applied.length > 0 ? `applied ${applied.join(', ')}` : 'up to date'}`)
    }
  } finally {
    await database.stop()
  }
}

try {
  await main()
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
