import { z } from 'zod'
import type { TaskTypeView } from '../contract/task.ts'
import { TaskError } from './errors.ts'
import { anyParams, toPointer } from './params.ts'
import type { TaskSettings } from './settings.ts'
import type { TaskDefinition } from './task.ts'

const createOptions = z.strictObject({
  priority: z.int().min(-100).max(100).optional(),
  runAt: z.date().optional(),
  maxRetries: z.int().min(0).max(100).optional(),
  timeoutSeconds: z.int().min(1).max(2_147_483).optional(),
  createdBy: z.string().max(200).nullable().optional(),
})

/** What a call may say about the task it creates; it wins over the type's and the plugin's defaults. */
export interface CreateTaskOptions {
  /** −100 … 100, higher first. Default: the type's, else 0. */
  priority?: number
  /** Not before this instant. Default: now. */
  runAt?: Date
  /** Further attempts after the first, 0 … 100. */
  maxRetries?: number
  /** Seconds until the handler's signal aborts, 1 … 2,147,483. */
  timeoutSeconds?: number
  /** Who asked for it: an id, as text. */
  createdBy?: string | null
}

/** @throws TaskError `INVALID_ARGUMENT`, naming each option at fault */
export function checkCreateOptions(options: CreateTaskOptions): void {
  const answer = createOptions.safeParse(options)
  if (answer.success) return
  const problems = answer.error.issues.map((issue) => ({
    pointer: toPointer(issue.path),
    detail: issue.message,
  }))
  const list = problems.map((problem) => `${problem.pointer}: ${problem.detail}`).join('; ')
  throw new TaskError('INVALID_ARGUMENT', `invalid task options: ${list}`, { problems })
}

/** A type as the API shows it: the defaults that apply, and its params as JSON Schema. */
export function describeType({ type, options }: TaskDefinition, settings: TaskSettings): TaskTypeView {
  const schema = z.toJSONSchema(options.params ?? anyParams, { io: 'input', unrepresentable: 'any' })
  return {
    taskType: type,
    timeoutSeconds: options.timeoutSeconds ?? settings.timeoutSeconds,
    maxRetries: options.maxRetries ?? settings.maxRetries,
    retryBaseMs: options.retryBaseMs ?? settings.retryBaseMs,
    priority: options.priority ?? 0,
    // Through text: the generated schema carries properties that are not JSON.
    params: JSON.parse(JSON.stringify(schema)),
  }
}
