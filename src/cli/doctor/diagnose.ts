import type { Call } from '../call.ts'
import { examine } from './examine.ts'
import type { Diagnosis } from './illness.ts'

/** What a process opens besides its pool: docs/operations.md. */
const OWN_CONNECTIONS = 9

/** Examines the database that a call names. */
export function diagnose({ databaseUrl, directUrl, schema, prepared, poolMax }: Call): Promise<Diagnosis> {
  const connectionsPerProcess = poolMax + OWN_CONNECTIONS
  return examine({ databaseUrl, directUrl, schema, prepared, connectionsPerProcess })
}
