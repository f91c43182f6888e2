import { existsSync } from 'node:fs'
import { MessageChannel } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { TaskContext } from '../../definition/context.ts'
import { currentScrubber } from '../attempt/running-task.ts'
import { runInternals } from '../attempt/task-context.ts'
import type { FromThread, ThreadTask, ToThread } from './protocol.ts'
import { packError } from './protocol.ts'
import { RemoteTransactions } from './remote-transactions.ts'
import { unpackError } from './unpack-error.ts'

/** A thread that has not returned this long after its signal aborted is terminated. */
const THREAD_GRACE_MS = 500
const IDLE_THREAD_MS = 30_000

/** The worker is beside this file, as TypeScript in the sources and as JavaScript in the package. */
function findWorker(): string {
  // In a bundle as CommonJS there is no URL of this file.
  const here: string | undefined = import.meta.url
  const worker = here && new URL(here.endsWith('.ts') ? './worker.ts' : './worker.js', here)
  if (worker && existsSync(worker)) return worker.href
  throw new Error(
    `the module that runs threads is not ${worker ? `at ${worker.href}` : 'in this bundle'}: ` +
      'leave fastify-async-tasks out of your bundle, which cannot hold its threads; see docs/operations.md, Bundles',
  )
}

let pool: Piscina | undefined

/** One pool a process: executors bound how many tasks run, so it need not. Idle threads do not keep a process alive. */
function threads(): Piscina {
  if (pool) return pool
  pool = new Piscina({
    filename: findWorker(),
    minThreads: 0,
    maxThreads: 1_024,
    idleTimeout: IDLE_THREAD_MS,
    // Waiting for work must not freeze what a handler left behind in its thread.
    atomics: 'disabled',
    recordTiming: false,
  })
  // From a thread whose handler has returned: nobody waits for it, and without a listener it would end the process.
  pool.on('error', (error) => {
    reportStray?.(error)
    // A thread that cannot load takes no run with it: without another one on its way, the run would never end.
    if (threads().queueSize > 0) for (const reject of waiting) reject(error)
  })
  return pool
}

/** Reject the runs that no thread has begun. */
const waiting = new Set<(error: Error) => void>()

/** Of the executor that used the pool last: a stray error does not say which task left it behind. */
let reportStray: ((error: unknown) => void) | undefined

/**
 * Runs the default export of a module in a thread of its own. A handler that ignores its signal there is terminated,
 * and one that crashes its thread fails its attempt alone.
 */
export async function runInThread(
  module: URL,
  params: Record<string, unknown>,
  ctx: TaskContext,
): Promise<unknown> {
  const { port1: port, port2 } = new MessageChannel()
  const terminate = new AbortController()
  let grace: NodeJS.Timeout | undefined
  const send = (message: ToThread) => port.postMessage(message)
  const onAbort = () => {
    const { name, message } = ctx.signal.reason
    send({ kind: 'abort', name, message })
    grace = setTimeout(() => terminate.abort(), THREAD_GRACE_MS)
  }
  const transactions = new RemoteTransactions(send)
  const end = Promise.withResolvers<unknown>()
  // The end comes over the same port as the lines said before it, so it cannot overtake them.
  port.on('message', (message: FromThread) => {
    waiting.delete(end.reject)
    if (message.kind === 'returned') end.resolve(parseResult(message.result))
    else if (message.kind === 'threw') end.reject(unpackError(message.error))
    else if (message.kind === 'rows' || message.kind === 'queryFailed') transactions.hear(message)
    else hear(message, ctx, send, transactions)
  })
  ctx.signal.addEventListener('abort', onAbort, { once: true })
  try {
    const { fence, maxResultBytes, reportStray: report } = runInternals(ctx)
    reportStray = report
    const task: ThreadTask = {
      module: module.href,
      params,
      taskType: ctx.taskType,
      fence,
      maxResultBytes,
      hidden: currentScrubber()?.hidden,
      port: port2,
    }
    waiting.add(end.reject)
    threads()
      .run(task, { transferList: [port2], signal: terminate.signal })
      .catch(end.reject)
    if (ctx.signal.aborted) onAbort()
    return await end.promise
  } finally {
    ctx.signal.removeEventListener('abort', onAbort)
    clearTimeout(grace)
    waiting.delete(end.reject)
    port.close()
    transactions.close()
  }
}

function parseResult(json: string | null): unknown {
  return json === null ? undefined : JSON.parse(json)
}

function hear(
  message: FromThread,
  ctx: TaskContext,
  send: (answer: ToThread) => void,
  transactions: RemoteTransactions,
): void {
  if (message.kind === 'progress') ctx.progress(...message.args)
  if (message.kind === 'log') ctx.log[message.level](message.message, message.data)
  if (message.kind === 'completing') runInternals(ctx).noteCompletion()
  if (message.kind === 'flush') answer(message.call, runInternals(ctx).flush(), send)
  if (message.kind === 'create') {
    const { call, task, params, inTransaction } = message
    const options = inTransaction ? { ...message.options, tx: transactions.of(call) } : message.options
    answer(call, ctx.createTask(task, params as never, options), send)
  }
}

function answer(call: number, work: Promise<unknown>, send: (answer: ToThread) => void): void {
  work
    .then((value) => send({ kind: 'answer', call, value }))
    .catch((error: unknown) => send({ kind: 'refusal', call, error: packError(error) }))
}
