import type { Call } from '../call.ts'
import { examine } from './examine.ts'
import type { Diagnosis } from './illness.ts'

/** Examines the database that a call names. */
export function diagnose({ databaseUrl, directUrl, schema, prepared, poolMax }: Call): Promise<Diagnosis> {
  return examine({ databaseUrl, directUrl, schema, prepared, poolMax })
}
