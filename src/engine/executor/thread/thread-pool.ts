import { existsSync } from 'node:fs'
import { MessageChannel } from 'node:worker_threads'
import type { Piscina } from 'piscina'
import type { TaskContext } from '../../definition/context.ts'
import type { Hidden } from '../../definition/scrubber.ts'
import type { TaskEvents } from '../../runtime/events.ts'
import { within } from '../../runtime/timeouts.ts'
import type { Fence } from '../../store/fence.ts'
import type { AttemptOutput } from '../attempt/attempt-output.ts'
import type { TransactionalCompletion } from '../attempt/transactional-completion.ts'
import { type FromThread, packError, type ThreadTask, type ToThread } from './protocol.ts'
import { unpackError } from './unpack-error.ts'

const THREAD_GRACE_MS = 500
const IDLE_THREAD_MS = 30_000

/** Termination is immediate, except inside a native call. */
const MAX_CLOSE_MS = 100

export interface ThreadRun {
  readonly module: URL
  readonly params: Record<string, unknown>
  readonly context: TaskContext
  readonly fence: Fence
  readonly maxResultBytes: number
  readonly hidden: Hidden | undefined
  readonly output: AttemptOutput
  readonly completion: TransactionalCompletion
}

/** The worker threads of one executor, whose slots limit their number. Idle threads do not keep the process alive. */
export class ThreadPool {
  readonly #events: TaskEvents
  #piscina: Piscina | undefined
  #isClosed = false
  readonly #queued = new Set<(error: Error) => void>()

  constructor(events: TaskEvents) {
    this.#events = events
  }

  async run(run: ThreadRun): Promise<unknown> {
    const piscina = await this.#open()
    const { port1: port, port2 } = new MessageChannel()
    const { signal, taskType } = run.context
    const terminate = new AbortController()
    const end = Promise.withResolvers<unknown>()
    const send = (message: ToThread) => port.postMessage(message)
    let grace: NodeJS.Timeout | undefined
    const onAbort = () => {
      const { name, message } = signal.reason
      send({ kind: 'abort', name, message })
      grace = setTimeout(() => terminate.abort(), THREAD_GRACE_MS)
    }
    // Log lines use the same port, so the result cannot overtake them.
    port.on('message', (message: FromThread) => {
      this.#queued.delete(end.reject)
      if (message.kind === 'returned') end.resolve(parseResult(message.result))
      else if (message.kind === 'threw') end.reject(unpackError(message.error))
      else receive(message, run, send)
    })
    signal.addEventListener('abort', onAbort, { once: true })
    this.#queued.add(end.reject)
    try {
      const { module, params, fence, maxResultBytes, hidden } = run
      const sent = { module: module.href, params, taskType, fence, maxResultBytes, hidden, port: port2 }
      piscina
        .run(sent satisfies ThreadTask, { transferList: [port2], signal: terminate.signal })
        .catch(end.reject)
      if (signal.aborted) onAbort()
      return await end.promise
    } finally {
      signal.removeEventListener('abort', onAbort)
      clearTimeout(grace)
      this.#queued.delete(end.reject)
      port.close()
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#piscina) await within(MAX_CLOSE_MS, this.#piscina.destroy())
  }

  async #open(): Promise<Piscina> {
    const { Piscina } = await import('piscina')
    if (this.#isClosed) throw new Error('the executor has stopped and starts no thread')
    this.#piscina ??= this.#watch(
      new Piscina({
        filename: findWorker(),
        minThreads: 0,
        maxThreads: 1_024,
        idleTimeout: IDLE_THREAD_MS,
        // A blocking wait would freeze timers and promises that a handler left in its thread.
        atomics: 'disabled',
        recordTiming: false,
      }),
    )
    return this.#piscina
  }

  /** Without a listener, an error after a handler's return would end the process. */
  #watch(piscina: Piscina): Piscina {
    return piscina.on('error', (error) => {
      this.#events.emit('lateThreadError', { error })
      // A worker that cannot load starts no run: reject the queued ones, which would never end.
      if (piscina.queueSize > 0) for (const reject of this.#queued) reject(error)
    })
  }
}

function findWorker(): string {
  const here: string | undefined = import.meta.url
  const worker = here && new URL(here.endsWith('.ts') ? './worker.ts' : './worker.js', here)
  if (worker && existsSync(worker)) return worker.href
  throw new Error(
    `the module that runs threads is not ${worker ? `at ${worker.href}` : 'in this bundle'}: ` +
      'leave fastify-async-tasks out of your bundle, which cannot hold its threads; see docs/operations.md, Bundles',
  )
}

function parseResult(json: string | null): unknown {
  return json === null ? undefined : JSON.parse(json)
}

function receive(
  message: FromThread,
  { context, output, completion }: ThreadRun,
  send: (message: ToThread) => void,
): void {
  if (message.kind === 'progress') context.progress(...message.args)
  if (message.kind === 'log') context.log[message.level](message.message, message.data)
  if (message.kind === 'completing') completion.noteAttempt()
  if (message.kind === 'flush') {
    const flushed = output.flushed({ progress: false }).then(() => output.lastProgress)
    respond(message.call, flushed, send)
  }
  if (message.kind === 'create') {
    respond(message.call, context.createTask(message.task, message.params as never, message.options), send)
  }
}

function respond(call: number, work: Promise<unknown>, send: (message: ToThread) => void): void {
  work
    .then((value) => send({ kind: 'resolved', call, value }))
    .catch((error: unknown) => send({ kind: 'rejected', call, error: packError(error) }))
}
