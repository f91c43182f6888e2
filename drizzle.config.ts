import { defineConfig } from 'drizzle-kit'

/** The engine's history: shipped with the package and applied in a host's database. */
export default defineConfig({
  dialect: 'postgresql',
  schema: './src/engine/store/schema.ts',
  out: './migrations/tasks',
})
