import type { StandardJSONSchemaV1 } from '@standard-schema/spec'
import { z } from 'zod'
import type { TaskTypeView } from '../../contract/task.ts'
import { describeError } from '../definition/outcome.ts'
import { anyParams } from '../definition/params.ts'
import type { ParamsSchema } from '../definition/params-schema.ts'
import { completeBackoff } from '../definition/retry-policy.ts'
import type { TaskSettings } from '../definition/settings.ts'
import type { TaskDefinition } from '../definition/task.ts'

export function describeType(
  { type, options }: Pick<TaskDefinition, 'type' | 'options'>,
  settings: TaskSettings,
  paused: boolean,
  nextPermitAt: Date | null = null,
): TaskTypeView {
  const { retry: policy = { baseMs: options.retryBaseMs ?? settings.retryBaseMs } } = options
  const retry = typeof policy === 'function' ? null : completeBackoff(policy, settings.retryBaseMs)
  return {
    taskType: type,
    timeoutSeconds: options.timeoutSeconds ?? settings.timeoutSeconds,
    maxRetries: options.maxRetries ?? settings.maxRetries,
    retryBaseMs: retry?.baseMs ?? settings.retryBaseMs,
    retry,
    priority: options.priority ?? 0,
    concurrency: options.concurrency ?? null,
    globalConcurrency: options.globalConcurrency ?? null,
    rateLimit: describeRate(options.rateLimit, nextPermitAt),
    paused,
    params: jsonSchemaOf(options.params ?? anyParams),
  }
}

function describeRate(
  rate: TaskDefinition['options']['rateLimit'],
  nextPermitAt: Date | null,
): TaskTypeView['rateLimit'] {
  if (!rate) return null
  const { max, perSeconds, key } = rate
  return { max, perSeconds, keyed: key !== undefined, nextPermitAt }
}

/** By schema: generating thousands is slow. */
const jsonSchemas = new WeakMap<ParamsSchema, TaskTypeView['params']>()

function jsonSchemaOf(params: ParamsSchema): TaskTypeView['params'] {
  const made = jsonSchemas.get(params) ?? describeParams(params)
  jsonSchemas.set(params, made)
  return made
}

/** A schema without this form, as with a default that throws, must not hide the other types. */
function describeParams(params: ParamsSchema): TaskTypeView['params'] {
  try {
    const schema =
      '_zod' in params
        ? z.toJSONSchema(params as z.core.$ZodType, { io: 'input', unrepresentable: 'any' })
        : jsonSchemaOfStandard(params)
    // The generated schema has properties that are not JSON.
    return JSON.parse(JSON.stringify(schema))
  } catch (error) {
    return { type: 'object', description: `The schema has no form as JSON Schema: ${describeError(error)}` }
  }
}

/** By Standard JSON Schema, where the library has it. */
function jsonSchemaOfStandard(params: ParamsSchema): Record<string, unknown> {
  const standard: Partial<StandardJSONSchemaV1.Props> = params['~standard']
  return standard.jsonSchema?.input({ target: 'draft-2020-12' }) ?? { type: 'object' }
}
