import { AsyncLocalStorage } from 'node:async_hooks'
import { MessageChannel } from 'node:worker_threads'
import type { TaskContext } from '../../definition/context.ts'
import type { Hidden } from '../../definition/scrubber.ts'
import type { TaskEvents } from '../../runtime/events.ts'
import type { Fence } from '../../store/fence.ts'
import type { TransactionalCompletion } from '../attempt/transactional-completion.ts'
import type { LazySteps } from '../steps/lazy-steps.ts'
import { findModule } from './handler-module.ts'
import { type FromThread, packError, type ToThread } from './protocol.ts'
import { unpackError } from './unpack-error.ts'
import { Workers } from './workers.ts'

const THREAD_GRACE_MS = 500

export interface ThreadRun {
  readonly module: URL
  readonly params: Record<string, unknown>
  readonly context: TaskContext
  readonly fence: Fence
  readonly maxResultBytes: number
  readonly hidden: Hidden | undefined
  readonly completion: TransactionalCompletion
  readonly steps: LazySteps
  readonly responseTimeoutMs: number
}

/** Runs handlers in the worker threads of one executor, whose slots limit their number. */
export class ThreadPool {
  readonly #workers: Workers
  readonly #schema: string

  /** @param schema of the tables */
  constructor(events: TaskEvents, schema: string) {
    this.#workers = new Workers((error) => events.emit('lateThreadError', { error }))
    this.#schema = schema
  }

  async run(run: ThreadRun): Promise<unknown> {
    const module = findModule(run.module)
    const thread = await this.#workers.take()
    const { port1: port, port2 } = new MessageChannel()
    const { signal, taskType } = run.context
    // A message arrives outside of the attempt: what it creates belongs to it.
    const inAttempt = AsyncLocalStorage.snapshot()
    const end = Promise.withResolvers<unknown>()
    const send = (message: ToThread) => port.postMessage(message)
    let grace: NodeJS.Timeout | undefined
    const terminate = async () => {
      await thread.terminate()
      end.reject(new Error('the thread was terminated'))
    }
    const onAbort = () => {
      const { name, message } = signal.reason
      send({ kind: 'abort', name, message })
      grace = setTimeout(() => void terminate(), THREAD_GRACE_MS)
    }
    // Log lines use the same port, so the result cannot overtake them.
    port.on('message', (message: FromThread) => {
      if (message.kind === 'started') thread.noteStart()
      else if (message.kind === 'returned') end.resolve(parseResult(message.result))
      else if (message.kind === 'threw') end.reject(unpackError(message.error))
      else inAttempt(() => receive(message, run, send))
    })
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const { params, fence, maxResultBytes, responseTimeoutMs, hidden } = run
      const limits = { maxResultBytes, responseTimeoutMs }
      const task = { module, params, taskType, fence, schema: this.#schema, ...limits, hidden, port: port2 }
      thread.startTask(task, port2, end.reject)
      if (signal.aborted) onAbort()
      return await end.promise
    } finally {
      signal.removeEventListener('abort', onAbort)
      clearTimeout(grace)
      port.close()
      this.#workers.release(thread)
    }
  }

  async close(): Promise<void> {
    await this.#workers.close()
  }
}

function parseResult(json: string | null): unknown {
  return json === null ? undefined : JSON.parse(json)
}

function receive(message: FromThread, run: ThreadRun, send: (message: ToThread) => void): void {
  const { context, completion } = run
  if (message.kind === 'progress') context.progress(...message.args)
  if (message.kind === 'log') context.log[message.level](message.message, message.data)
  if (message.kind === 'completing') completion.noteAttempt()
  if (message.kind === 'flush') respond(message.call, completion.prepare(), send)
  if (message.kind === 'create') {
    respond(message.call, context.createTask(message.task, message.params as never, message.options), send)
  }
  receiveStep(message, run, send)
}

function receiveStep(message: FromThread, { steps }: ThreadRun, send: (message: ToThread) => void): void {
  if (message.kind === 'stepBegan') respond(message.call, steps.journal.begin(message.name), send)
  if (message.kind === 'stepThrew') steps.journal.abandon(message.name)
  if (message.kind === 'stepFinished') {
    const { name, result, durationMs } = message
    respond(message.call, steps.journal.finish(name, result, durationMs), send)
  }
  if (message.kind === 'stepUnknown') respond(message.call, steps.journal.isCommitted(message.name), send)
  if (message.kind === 'sleep') respond(message.call, steps.journal.sleep(message.name, message.until), send)
}

function respond(call: number, work: Promise<unknown>, send: (message: ToThread) => void): void {
  work
    .then((value) => send({ kind: 'resolved', call, value }))
    .catch((error: unknown) => send({ kind: 'rejected', call, error: packError(error) }))
}
