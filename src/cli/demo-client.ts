import { z } from 'zod'
import { problem } from '../contract/problem.ts'
import { type TaskDetail, taskDetail } from '../contract/task.ts'

const session = z.object({ token: z.string() })

/** The REST calls of the demo: nothing that any other program could not do. */
export class DemoClient {
  readonly #prefix: string
  readonly #signal: AbortSignal
  #token: string | undefined

  /** @param signal aborts the request in flight */
  constructor(address: string, signal: AbortSignal) {
    this.#prefix = `${address}/api/admin`
    this.#signal = signal
  }

  async logIn(username: string, password: string): Promise<void> {
    this.#token = session.parse(await this.#request('POST', '/auth/login', { username, password })).token
  }

  async createTask(taskType: string, params: object): Promise<TaskDetail> {
    return taskDetail.parse(await this.#request('POST', '/tasks', { taskType, params }))
  }

  async getTask(taskId: string): Promise<TaskDetail> {
    return taskDetail.parse(await this.#request('GET', `/tasks/${taskId}`))
  }

  async #request(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.#prefix}${path}`, {
      method,
      headers: {
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: this.#signal,
    })
    const received: unknown = await response.json()
    if (response.ok) return received
    const { code, detail } = problem.parse(received)
    throw new Error(`${method} ${path} was answered with ${response.status} ${code}: ${detail}`)
  }
}
