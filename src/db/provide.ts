import { startEmbedded } from './embedded.ts'
import { prepareRole } from './embedded-role.ts'
import { acquireServerLock } from './server-lock.ts'

/** The database that a process of the bundled server works on. */
export interface ProvidedDatabase {
  readonly url: string
  /** Bypasses PgBouncer: for migrations and LISTEN. */
  readonly directUrl: string
  /** Resolves when a database started here has ended; otherwise never. */
  readonly ended: Promise<void>
  /** Stops what was started here. */
  stop(): Promise<void>
}

export interface ProvideOptions {
  /** Undefined: the embedded database. */
  url: string | undefined
  directUrl: string | undefined
  /** Folder of the embedded database, which one process at a time may use. */
  dataDir: string
  onNotice: (message: string) => void
}

/** @throws ServerRunningError while another process uses the embedded database of this folder */
export async function provideDatabase(options: ProvideOptions): Promise<ProvidedDatabase> {
  if (options.url !== undefined) {
    return {
      url: options.url,
      directUrl: options.directUrl ?? options.url,
      ended: new Promise(() => {}),
      stop: async () => {},
    }
  }
  const lock = acquireServerLock(options.dataDir)
  try {
    const server = await startEmbedded({ dataDir: options.dataDir, onNotice: options.onNotice })
    const url = await prepareRole(server.url).catch(async (error: unknown) => {
      await server.stop()
      throw error
    })
    return {
      url,
      directUrl: url,
      ended: server.ended,
      async stop() {
        try {
          await server.stop()
        } finally {
          lock.release()
        }
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}
