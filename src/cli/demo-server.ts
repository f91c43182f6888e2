import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buildApp } from '../app.ts'
import { parseConfig } from '../config.ts'
import { startEmbedded } from '../db/embedded.ts'

export interface DemoServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:41234`. */
  readonly address: string
  readonly username: string
  readonly password: string
  /** What the server has warned of, as lines of its log. */
  readonly warnings: readonly string[]
}

/** What an interrupted demo may take to stop: its handlers are aborted at 80 % of it. */
const SHUTDOWN_TIMEOUT_MS = '3000'

/**
 * The bundled server on a fresh database, both gone after disposal. The environment does not affect it: the
 * demo must neither find nor touch a server that is in use.
 */
export async function startDemoServer(): Promise<DemoServer> {
  await using started = new AsyncDisposableStack()
  const dataDir = makeFolder()
  started.defer(() => rmSync(dataDir, { recursive: true, force: true }))
  const database = await startEmbedded({ dataDir, durable: false })
  started.defer(() => database.stop())

  const config = parseConfig({ PORT: '0', SHUTDOWN_TIMEOUT_MS })
  const warnings: string[] = []
  // Lines of a log would run into the bars.
  const logger = { level: 'warn', stream: { write: (line: string) => void warnings.push(line.trimEnd()) } }
  const app = await buildApp(config, { databaseUrl: database.url, logger })
  started.defer(() => app.close())
  const address = await app.listen({ host: config.http.host, port: config.http.port })

  const resources = started.move()
  return {
    address,
    username: config.auth.adminUsername,
    password: app.firstBootPassword ?? '',
    warnings,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** As root the user postgres has to reach it, which it might not do in a TMPDIR of root's own. */
function makeFolder(): string {
  const parent = process.getuid?.() === 0 ? '/tmp' : tmpdir()
  const folder = mkdtempSync(path.join(parent, `fastify-async-tasks-demo-${process.pid}-`))
  chmodSync(folder, 0o755)
  return folder
}
