import { performance } from 'node:perf_hooks'
import { parentPort } from 'node:worker_threads'
import type { LogData, TaskContext, TaskLog } from '../../definition/context.ts'
import { TaskError, taskLost } from '../../definition/errors.ts'
import { readLogCall } from '../../definition/log-call.ts'
import { checkCount } from '../../definition/progress.ts'
import { Scrubber } from '../../definition/scrubber.ts'
import { serializeFields } from '../../definition/serialize.ts'
import { requireDefinitions } from '../../definition/task.ts'
import type { LastProgress } from '../../store/finish.ts'
import { encodeResult } from '../attempt/result.ts'
import { currentScrubber, runningTask } from '../attempt/running-task.ts'
import { StepRunner } from '../steps/step-runner.ts'
import { isTypeScript, loadHandler, resolveTypeScript } from './handler-module.ts'
import { type FromThread, packError, type Request, type ThreadTask, type ToThread } from './protocol.ts'
import { ThreadSteps } from './thread-steps.ts'
import { unpackError } from './unpack-error.ts'

const PROGRESS_INTERVAL_MS = 50

const NO_TX =
  'tx: got one, but ctx.createTask takes none in a worker thread; create the task without tx, with a uniqueKey, once ' +
  "your transaction has committed, or register the handler without run: 'thread'"

/** An uncaught error ends the thread; redacts the secrets of the run that caused it. */
process.on('uncaughtException', (error: unknown) => {
  // If the handler's module listens too, the thread lives on.
  if (process.listenerCount('uncaughtException') === 1) throw currentScrubber()?.error(error) ?? error
})

parentPort?.on('message', (task: ThreadTask) => void runHandler(task))

/** Runs the handler of a module, with a context that forwards to the attempt over the port. */
async function runHandler(task: ThreadTask): Promise<void> {
  const link = new Link(task)
  try {
    if (isTypeScript(task.module)) resolveTypeScript()
    const handler = await loadHandler(task.module)
    const { taskType, hidden } = task
    const { taskId, attempt } = task.fence
    const run = { event: { taskId, taskType, attempt }, scrubber: hidden && new Scrubber(hidden) }
    const result: unknown = await runningTask.run(run, () => handler(task.params, link.context))
    await link.idle()
    // `structuredClone` throws an error that names the value.
    if (typeof result === 'function' || typeof result === 'symbol') structuredClone(result)
    link.end({ kind: 'returned', result: link.encode(result) })
  } catch (thrown) {
    await link.idle()
    link.end({ kind: 'threw', error: packError(thrown) })
  }
}

class Link {
  readonly context: TaskContext
  readonly #steps: StepRunner
  readonly #task: ThreadTask
  readonly #abort = new AbortController()
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>()
  #lastCall = 0
  #progress: readonly [number, number | undefined, string | undefined] | undefined
  #progressSentAt = Number.NEGATIVE_INFINITY

  constructor(task: ThreadTask) {
    this.#task = task
    task.port.on('message', (message: ToThread) => this.#receive(message))
    const call = (request: Request) => this.#call(request)
    const send = (message: FromThread) => this.#send(message)
    const encode = (result: unknown, step: string) => this.encode(result, step)
    this.#steps = new StepRunner(new ThreadSteps(task, this.#abort.signal, { call, send, encode }))
    this.context = this.#createContext()
    this.#send({ kind: 'started' })
  }

  /** Resolves when no step is under way. */
  idle(): Promise<void> {
    return this.#steps.idle()
  }

  encode(result: unknown, step?: string): string | null {
    return encodeResult(result, this.#task.maxResultBytes, (line) => this.context.log.warn(line), step)
  }

  end(last: FromThread): void {
    this.#sendProgress()
    this.#send(last)
    this.#task.port.close()
  }

  #createContext(): TaskContext {
    const { fence, taskType } = this.#task
    const write = (level: keyof TaskLog) => (first: unknown, second?: unknown) => {
      const { message, data } = readLogCall(first, second)
      this.#send({ kind: 'log', level, message, data: toJson(data) })
    }
    return {
      taskId: fence.taskId,
      taskType,
      attempt: fence.attempt,
      signal: this.#abort.signal,
      log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
      progress: (current, total, step) => this.#report(current, total, step),
      createTask: async (reference, ...[params, given = {}]) => {
        const name =
          typeof reference === 'string' ? reference : (requireDefinitions(reference)[0]?.type ?? '')
        const { tx, ...options } = given
        if (tx !== undefined) throw new TaskError('INVALID_ARGUMENT', NO_TX)
        return (await this.#call({ kind: 'create', task: name, params, options })) as never
      },
      guard: async (tx) => {
        const { guardFence, schema } = await this.#loadStore()
        const holds = !this.#abort.signal.aborted && (await guardFence({ tx, schema }, fence))
        if (!holds) throw taskLost(fence)
      },
      complete: async (tx, result) => {
        const { completeInTransaction, schema } = await this.#loadStore()
        const text = this.encode(result)
        this.#sendProgress()
        const last = (await this.#call({ kind: 'flush' })) as LastProgress | undefined
        if (this.#abort.signal.aborted) throw taskLost(fence)
        if (!(await completeInTransaction({ tx, schema }, fence, text, last))) throw taskLost(fence)
        this.#send({ kind: 'completing' })
      },
      step: this.#steps.step,
      sleep: this.#steps.sleep,
    }
  }

  /** On use: it needs a database driver. */
  async #loadStore() {
    const { EngineSchema } = await import('../../../db/engine-schema.ts')
    const { completeInTransaction, guardFence } = await import('../../store/guard.ts')
    return { completeInTransaction, guardFence, schema: new EngineSchema(this.#task.schema) }
  }

  #report(current: number, total: number | undefined, step: string | undefined): void {
    checkCount('current', current)
    if (total !== undefined) checkCount('total', total)
    this.#progress = [current, total ?? this.#progress?.[1], step ?? this.#progress?.[2]]
    if (performance.now() - this.#progressSentAt >= PROGRESS_INTERVAL_MS) this.#sendProgress()
  }

  #sendProgress(): void {
    if (!this.#progress) return
    this.#send({ kind: 'progress', args: this.#progress })
    this.#progressSentAt = performance.now()
  }

  #call(request: Request): Promise<unknown> {
    const call = ++this.#lastCall
    const response = Promise.withResolvers<unknown>()
    this.#calls.set(call, response)
    this.#send({ ...request, call } as FromThread)
    return response.promise
  }

  #receive(message: ToThread): void {
    if (message.kind === 'abort') {
      this.#abort.abort(new DOMException(message.message, message.name))
      return
    }
    const call = this.#calls.get(message.call)
    this.#calls.delete(message.call)
    if (message.kind === 'resolved') call?.resolve(message.value)
    else call?.reject(unpackError(message.error))
  }

  #send(message: FromThread): void {
    this.#task.port.postMessage(message)
  }
}

/** As JSON: a clone would fail for some values and lose fields of errors. */
function toJson(data: LogData | undefined): LogData | undefined {
  return data === undefined ? undefined : JSON.parse(serializeFields(data) ?? 'null')
}
