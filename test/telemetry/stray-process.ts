import { createPool } from '../../src/db/client.ts'
import { EngineSchema } from '../../src/db/engine-schema.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { watchStrayErrors } from '../../src/telemetry/stray-errors.ts'
import { createEngine } from '../support/engine.ts'

/** A process whose tasks leave errors behind; it tells its parent what its watch saw. */
const url = process.argv[2] ?? ''
const { task } = createTaskRegistry()
const stray = task('stray', { redact: ['token'] })(async ({ token }: { token?: unknown }) => {
  setTimeout(() => {
    throw new Error(`thrown in a timer${token ?? ''}`)
  }, 1)
  setTimeout(() => void Promise.reject(new Error(`rejected in a timer${token ?? ''}`)), 1)
  return 'done'
})
const aborted = task('aborted', { timeoutSeconds: 1, maxRetries: 0 })(async (_params, { signal }) => {
  const { promise, resolve } = Promise.withResolvers<void>()
  signal.addEventListener('abort', () => {
    resolve()
    throw new Error('thrown by a listener')
  })
  await promise
})
const pool = createPool({ connectionString: url })
const database = {
  url,
  directUrl: url,
  pool,
  schema: EngineSchema.public,
  prepared: true,
  drop: () => pool.end(),
}
const engine = createEngine(database, [stray, aborted])
watchStrayErrors({
  log: { error: (fields) => void process.send?.({ logged: JSON.stringify(fields) }) },
  logToTask: async ({ taskId }, message) => {
    await engine.manager.logMessage(taskId, 'ERROR', message)
    process.send?.({ taskId, message })
  },
  onFatal: (error) => {
    process.send?.({ fatal: String(error) }, () => process.exit(1))
  },
})
engine.executor.start()
if (process.argv[3] === 'aborted') await engine.manager.createTask(aborted)
else await engine.manager.createTask(stray, process.argv[3] ? { token: process.argv[3] } : {})
process.on('message', () => {
  setTimeout(() => {
    throw new Error('of nobody')
  }, 0)
})
