import { startEmbedded } from '../../src/db/embedded.ts'

/** A process that owns an embedded PostgreSQL, to be killed by a test. Says its address when it is up. */
const server = await startEmbedded({ dataDir: process.argv[2] ?? '', durable: false })
process.send?.(server.url)
