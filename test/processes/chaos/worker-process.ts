import { type ChildProcess, fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Answers, Question, WorkerMessage } from './worker-messages.ts'

type Told<Kind extends WorkerMessage['kind']> = Extract<WorkerMessage, { kind: Kind }>

export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly taskType?: string
  readonly error?: { readonly name: string }
}

const INFO = 30

/** A worker, seen from the test. */
export class WorkerProcess {
  readonly name: string
  /** The exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>
  readonly #child: ChildProcess
  readonly #messages: WorkerMessage[] = []
  readonly #news = new EventEmitter().setMaxListeners(0)
  readonly #lines: LogLine[] = []
  #stray = ''
  #questions = 0

  /** @param options.script what runs as the worker, with the config as its argument; default `worker.ts` */
  constructor(config: { readonly name: string }, options: { clockOffsetMs?: number; script?: URL } = {}) {
    this.name = config.name
    const { script = new URL('./worker.ts', import.meta.url) } = options
    const preload = fileURLToPath(new URL('./wrong-clock.ts', import.meta.url))
    const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env
    this.#child = fork(fileURLToPath(script), [JSON.stringify(config)], {
      execArgv: options.clockOffsetMs === undefined ? [] : ['--import', preload],
      env: { PATH, NODE_COMPILE_CACHE, CLOCK_OFFSET_MS: String(options.clockOffsetMs ?? 0) },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#child.on('message', (message: WorkerMessage) => {
      this.#messages.push(message)
      this.#news.emit('news')
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => this.#read(line))
    }
    this.exited = once(this.#child, 'exit').then(([code]) => {
      this.#news.emit('news')
      return code as number | null
    })
  }

  get pid(): number {
    return this.#child.pid ?? Number.NaN
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** What it logged, but for the ends of tasks. */
  get logLines(): readonly LogLine[] {
    return this.#lines.filter(({ level, msg }) => level > INFO || !msg.startsWith('task '))
  }

  /** What it wrote beside its log. */
  get stray(): string {
    return this.#stray
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** What it has told so far. */
  told<Kind extends WorkerMessage['kind']>(kind: Kind): Told<Kind>[] {
    return this.#messages.filter((message): message is Told<Kind> => message.kind === kind)
  }

  /** The first message that fits, told before or yet to come. */
  async tells<Kind extends WorkerMessage['kind']>(
    kind: Kind,
    fits: (message: Told<Kind>) => boolean = () => true,
  ): Promise<Told<Kind>> {
    for (;;) {
      const found = this.told(kind).find(fits)
      if (found) return found
      if (this.hasExited) throw new Error(`${this.name} ended without telling '${kind}':\n${this.#output}`)
      await once(this.#news, 'news')
    }
  }

  async ask<Q extends Question>(question: Q): Promise<Answers[Q]> {
    this.#questions += 1
    const id = this.#questions
    this.#child.send({ id, question })
    const { value } = await this.tells('answer', (answer) => answer.id === id)
    // The worker answers each question with what its name stands for.
    return value as Answers[Q]
  }

  get #output(): string {
    return this.#lines.map((line) => JSON.stringify(line)).join('\n') + this.#stray
  }

  #read(line: string): void {
    if (line.startsWith('{')) this.#lines.push(JSON.parse(line) as LogLine)
    else this.#stray += `\n${line}`
  }
}
