import { existsSync } from 'node:fs'
import { type MessagePort, Worker } from 'node:worker_threads'
import { PermanentError } from '../../definition/errors.ts'
import { within } from '../../runtime/timeouts.ts'
import { isLoadError } from './handler-module.ts'
import type { ThreadTask } from './protocol.ts'

const MAX_THREADS = 1_024
const IDLE_MS = 30_000

/** Termination is immediate, except inside a native call. */
const MAX_TERMINATION_MS = 100

/** Worker threads that run one task at a time each. Idle ones wait 30 s for another task. */
export class Workers {
  readonly #onLateError: (error: unknown) => void
  readonly #all = new Set<WorkerThread>()
  readonly #idle = new Set<WorkerThread>()
  readonly #waiting: (() => void)[] = []
  #isClosed = false

  constructor(onLateError: (error: unknown) => void) {
    this.#onLateError = onLateError
  }

  /** Give it back with `release`. Waits while 1,024 threads are in use. */
  async take(): Promise<WorkerThread> {
    const source = await findSource()
    while (!this.#isClosed && this.#idle.size === 0 && this.#all.size >= MAX_THREADS) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    if (this.#isClosed) throw new Error('the executor has stopped and starts no thread')
    for (const thread of this.#idle) {
      this.#idle.delete(thread)
      thread.stopIdling()
      if (!thread.isEnding) return thread
    }
    return this.#start(source)
  }

  release(thread: WorkerThread): void {
    thread.endTask()
    if (thread.isEnding || this.#isClosed) return
    this.#idle.add(thread)
    thread.startIdling()
    this.#waiting.shift()?.()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const resolve of this.#waiting) resolve()
    await Promise.all([...this.#all].map((thread) => thread.terminate()))
  }

  #start(source: WorkerSource): WorkerThread {
    const thread = new WorkerThread(source, this.#onLateError, () => {
      this.#all.delete(thread)
      this.#idle.delete(thread)
      this.#waiting.shift()?.()
    })
    this.#all.add(thread)
    return thread
  }
}

export class WorkerThread {
  readonly #worker: Worker
  readonly #source: WorkerSource
  #isEnding = false
  #onLoss: ((error: unknown) => void) | undefined
  #hasStarted = false
  #idleTimer: NodeJS.Timeout | undefined

  constructor(source: WorkerSource, onLateError: (error: unknown) => void, onExit: () => void) {
    this.#source = source
    this.#worker = new Worker(source.code, { eval: source.isScript, name: 'fastify-async-tasks' })
    // A running task holds its port; an idle thread must not keep the process alive.
    this.#worker.unref()
    // Without a listener, an error after a handler's return would end the process.
    this.#worker.on('error', (error) => {
      this.#isEnding = true
      const onLoss = this.#onLoss ?? onLateError
      onLoss(this.#describe(error))
    })
    this.#worker.on('exit', (code) => {
      this.#isEnding = true
      this.stopIdling()
      this.#onLoss?.(new Error(`the thread ended with exit code ${code} before its handler returned`))
      onExit()
    })
  }

  get isEnding(): boolean {
    return this.#isEnding
  }

  /** `onLoss` is called if the thread ends before `endTask`. */
  startTask(task: ThreadTask, port: MessagePort, onLoss: (error: unknown) => void): void {
    this.#onLoss = onLoss
    this.#worker.postMessage(task, [port])
  }

  /** The thread has loaded its own code. */
  noteStart(): void {
    this.#hasStarted = true
  }

  endTask(): void {
    this.#onLoss = undefined
  }

  startIdling(): void {
    this.#idleTimer = setTimeout(() => void this.terminate(), IDLE_MS).unref()
  }

  stopIdling(): void {
    clearTimeout(this.#idleTimer)
  }

  async terminate(): Promise<void> {
    this.#isEnding = true
    await within(MAX_TERMINATION_MS, this.#worker.terminate())
  }

  #describe(error: unknown): unknown {
    if (this.#hasStarted || !isLoadError(error)) return error
    const where = this.#source.isScript ? 'from its bundle' : `from ${this.#source.code}`
    return new PermanentError(`the worker thread cannot be loaded ${where}: ${error.message}`, {
      cause: error,
    })
  }
}

interface WorkerSource {
  readonly code: string | URL
  readonly isScript: boolean
}

let foundSource: WorkerSource | undefined

/** A file beside this one, or, in a bundle, the script that it holds. Searched for once. */
async function findSource(): Promise<WorkerSource> {
  foundSource ??= await lookForSource()
  return foundSource
}

async function lookForSource(): Promise<WorkerSource> {
  const here: string | undefined = import.meta.url
  const [, extension] = /\/executor\/thread\/workers\.(js|ts)$/.exec(here ?? '') ?? []
  if (here !== undefined && extension !== undefined) {
    const file = new URL(`./worker.${extension}`, here)
    if (existsSync(file)) return { code: file, isScript: false }
  }
  const { WORKER_SCRIPT } = await import('./worker-script.ts')
  if (WORKER_SCRIPT !== '') return { code: WORKER_SCRIPT, isScript: true }
  throw new PermanentError(
    `the code of worker threads is neither in worker.${extension ?? 'js'} beside ${here ?? 'this bundle'} nor embedded: ` +
      'bundle the published package, or run `npm run build` first; see docs/operations.md, Bundles',
  )
}
