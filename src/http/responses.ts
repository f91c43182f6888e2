import { STATUS_CODES } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { problem } from '../contract/problem.ts'
import { scheduleView } from '../contract/schedule.ts'
import {
  executorIdValue,
  executorView,
  storableText,
  taskDetail,
  taskLogLine,
  taskLogPage,
  taskTypeView,
} from '../contract/task.ts'

/** JSON of any shape. The recursive `z.json()` would add a component to the document and walk every response again. */
const anyJson = z.unknown()
const anyObject = z.record(z.string(), anyJson)

export const taskAnswer = taskDetail.extend({ params: anyObject, result: anyJson })
export const createdTaskAnswer = taskAnswer.extend({
  created: z.boolean(),
  replaced: z.boolean().optional().describe("With `onDuplicate: 'replace'`: whether the task was changed."),
})
export const taskLogAnswer = taskLogPage.extend({
  logs: z.array(taskLogLine.extend({ data: anyJson.optional() })),
})
export const scheduleAnswer = scheduleView.extend({ params: anyObject })
export const schedulesAnswer = z.object({ schedules: z.array(scheduleAnswer) })
export const taskTypeAnswer = taskTypeView.extend({ params: anyObject })
export const taskTypesAnswer = z.object({ taskTypes: z.array(taskTypeAnswer) })
export const executorsAnswer = z.object({ executors: z.array(executorView) })

/** Paths keep the parameters of the prefix, which `authorize` reads again for an open stream. Unknown ids are not found. */
export const taskIdPath = z.looseObject({ taskId: z.string() })
export const executorIdPath = z.looseObject({ executorId: executorIdValue })
export const scheduleNamePath = z.looseObject({ name: z.string() })
export const taskTypePath = z.looseObject({ taskType: storableText })
export const noQuery = z.strictObject({})
/** Accepts an empty object: some clients cannot send nothing. */
export const noBody = z.strictObject({}).nullish()
export const noContent = z.undefined().describe('Done.')

const DESCRIPTIONS: Record<number, string> = {
  400: 'The request is invalid; `errors` lists the invalid fields.',
  401: 'Credentials are missing or no longer valid.',
  403: 'The caller may not do this; `READ_ONLY`: a viewer changes nothing.',
  404: 'There is no such task, type, schedule, user or session.',
  409: 'The current state does not allow this; `code` gives the reason.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  429: 'Too many requests, failures or open streams; retry after the seconds in `Retry-After`.',
  503: 'The server cannot respond at the moment, as while the database is unreachable or the app is closing.',
}

/** Other responses of a route, as problem details; 503 is one of every route. */
export function problems<const Status extends number>(...statuses: Status[]) {
  const content = { 'application/problem+json': { schema: problem } }
  const entries = [...statuses, 503].map((status) => [
    status,
    { description: DESCRIPTIONS[status] ?? STATUS_CODES[status], content },
  ])
  return Object.fromEntries(entries) as Record<Status | 503, { description: string; content: typeof content }>
}

/** The prefix of the scope as this request has it: with the values of its parameters, and escaped. */
export function prefixOf(request: FastifyRequest, prefix: string): string {
  return prefix.includes(':') ? request.url.split('/', prefix.split('/').length).join('/') : encodeURI(prefix)
}
