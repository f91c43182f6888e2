import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { BadAnswer } from './bad-answers.ts'

const TASK_ID = 'task_1'
const CREATED = '2026-01-05T01:00:00.000Z'

/** The admin routes of one task, as far as viewers use them, behind a script that makes them misbehave. */
export class ScriptedServer {
  requests = 0
  readonly #bad: BadAnswer
  readonly #streams = new Set<{ response: ServerResponse; ofTask: boolean }>()
  readonly #server = createServer((request, response) => this.#answer(request, response))
  #misbehaves = true
  #status: 'running' | 'completed' = 'running'

  constructor(bad: BadAnswer) {
    this.#bad = bad
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/api/admin`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  openConnections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
    })
  }

  /** The task has completed, and from now on every request is answered as it should be. */
  behave(): void {
    this.#misbehaves = false
    this.#status = 'completed'
    for (const { response, ofTask } of this.#streams) {
      response.write(this.#event())
      if (ofTask) response.end()
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('access-control-allow-headers', '*')
    if (request.method === 'OPTIONS') return void response.writeHead(204).end()
    this.requests += 1
    const path = new URL(request.url ?? '/', 'http://x').pathname.replace('/api/admin', '')
    const isStream = path.endsWith('/events')
    const asked = { isStream, count: this.requests, socket: request.socket }
    if (this.#misbehaves && this.#bad(asked, response) === 'done') return
    if (isStream) this.#stream(response, path !== '/tasks/events')
    else this.#json(response, path)
  }

  #json(response: ServerResponse, path: string): void {
    const task = this.#task()
    const bodies: Record<string, unknown> = {
      '/tasks': { tasks: [task], total: 1, page: 1, pageSize: 50, nextCursor: null },
      [`/tasks/${TASK_ID}`]: task,
      [`/tasks/${TASK_ID}/logs`]: {
        logs: this.#lines(),
        total: this.#lines().length,
        page: 1,
        pageSize: 200,
      },
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(bodies[path]))
  }

  #stream(response: ServerResponse, ofTask: boolean): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(': connected\n\n')
    if (ofTask)
      for (const line of this.#lines())
        response.write(`id: ${line.id}\nevent: log\ndata: ${JSON.stringify(line)}\n\n`)
    if (ofTask || this.#status === 'running') response.write(this.#event(ofTask))
    if (ofTask && this.#status === 'completed') return void response.end()
    const stream = { response, ofTask }
    this.#streams.add(stream)
    response.on('close', () => this.#streams.delete(stream))
  }

  #event(ofTask = true): string {
    const name = ofTask && this.#status === 'completed' ? 'end' : 'task'
    return `event: ${name}\ndata: ${JSON.stringify(this.#task())}\n\n`
  }

  #lines() {
    const line = { id: 1, level: 'INFO', message: 'collecting', createdAt: CREATED, attempt: 1 }
    return this.#status === 'running' ? [line] : [line, { ...line, id: 2, message: 'done' }]
  }

  #task() {
    const isOver = this.#status === 'completed'
    return {
      taskId: TASK_ID,
      taskType: 'work',
      status: this.#status,
      progress: isOver ? 2 : 1,
      total: 2,
      percent: isOver ? 100 : 50,
      step: null,
      createdAt: CREATED,
      startedAt: CREATED,
      completedAt: isOver ? CREATED : null,
      cancelledAt: null,
      runAt: CREATED,
      retryCount: 0,
      maxRetries: 3,
      error: null,
      params: {},
      result: null,
      attempts: [],
    }
  }
}
