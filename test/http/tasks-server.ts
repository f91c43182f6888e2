import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, expect } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { createGate } from '../support/engine.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

type Answer = Promise<LightMyRequestResponse>

interface TasksServer {
  readonly app: FastifyInstance
  asAdmin(request: InjectOptions): Answer
  /** A request of an admin; the URL without `/api/admin`. */
  get: (url: string) => Answer
  post: (url: string, payload?: InjectOptions['payload']) => Answer
  remove: (url: string) => Answer
  /** Posts a task, which has to be accepted, and answers its id. */
  create: (body: Record<string, unknown>) => Promise<string>
}

export const LATER = new Date(Date.now() + 3_600_000).toISOString()

/** One server for the tests of a file: `echo` returns its params, `wait` runs until the end, `chatty` logs six lines. */
export function useTasksServer(): TasksServer {
  const { task } = createTaskRegistry()
  const gate = createGate()
  const echo = task('echo')((params) => params)
  const wait = task('wait', { params: z.strictObject({ days: z.int().min(1).default(1) }) })(
    () => gate.opened,
  )
  const chatty = task('chatty')((_params, ctx) => {
    for (let line = 1; line <= 5; line++) ctx.log.info(`line ${line}`)
    ctx.log.warn('last line')
  })

  let server: BundledServer

  beforeAll(async () => {
    server = await startBundledServer({ tasks: [echo, wait, chatty] })
  })
  afterAll(async () => {
    gate.open()
    await server.close()
  })

  const asAdmin = (request: InjectOptions) => server.asAdmin(request)
  const get = (url: string) => asAdmin({ url: `/api/admin${url}` })
  const post = (url: string, payload?: InjectOptions['payload']) =>
    asAdmin({ method: 'POST', url: `/api/admin${url}`, ...(payload === undefined ? {} : { payload }) })
  const remove = (url: string) => asAdmin({ method: 'DELETE', url: `/api/admin${url}` })
  const create = async (body: Record<string, unknown>) => {
    const answer = await post('/tasks', body)
    expect(answer.statusCode, answer.body).toBe(201)
    return answer.json<{ taskId: string }>().taskId
  }
  return {
    get app() {
      return server.app
    },
    asAdmin,
    get,
    post,
    remove,
    create,
  }
}
