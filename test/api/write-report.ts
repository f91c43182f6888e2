import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { emitDeclarations, makeReport, REPORT, readPublicTypes } from './report.ts'

/** `npm run api`: writes the report of the public types. */
const folder = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-api-'))
try {
  await emitDeclarations(folder)
  writeFileSync(REPORT, makeReport(readPublicTypes(folder)))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
