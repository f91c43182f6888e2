import { defineConfig } from 'drizzle-kit'

/** The bundled server's history: users and market data. Applied after the engine's. */
export default defineConfig({
  dialect: 'postgresql',
  schema: ['./src/accounts/schema.ts', './src/market/schema.ts'],
  out: './migrations/server',
})
