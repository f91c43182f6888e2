import assert from 'node:assert/strict'
import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec'
import { toStandardJsonSchema } from '@valibot/to-json-schema'
import Fastify from 'fastify'
import asyncTasks, {
  createTaskRegistry,
  type JsonOf,
  type ParamsOf,
  type ResultOf,
  type TaskTypeView,
  typedTasks,
} from 'fastify-async-tasks'
import { runTask } from 'fastify-async-tasks/testing'
import { type Static, type TSchema, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { TLocalizedValidationError } from 'typebox/error'
import * as v from 'valibot'
import { connectionString, isTrue, type Same, show } from './host.ts'

const { task } = createTaskRegistry()

const crop = task('crop', {
  params: toStandardJsonSchema(v.object({ width: v.number(), height: v.optional(v.number(), 100) })),
})(async ({ width, height }) => ({ area: width * height, at: new Date(0) }))

/** As in docs/handlers.md. */
function fromTypeBox<T extends TSchema>(
  schema: T,
): StandardSchemaV1<Static<T>> & StandardJSONSchemaV1<Static<T>> {
  const compiled = Compile(schema)
  const asJson = () => ({ ...(schema as object) })
  const issueOf = ({ instancePath, message }: TLocalizedValidationError) => ({
    path: instancePath.split('/').slice(1),
    message,
  })
  return {
    '~standard': {
      version: 1,
      vendor: 'typebox',
      validate: (value) =>
        compiled.Check(value) ? { value } : { issues: compiled.Errors(value).map(issueOf) },
      jsonSchema: { input: asJson, output: asJson },
    },
  }
}

const rotate = task('rotate', { params: fromTypeBox(Type.Object({ degrees: Type.Integer() })) })(
  async ({ degrees }) => degrees % 360,
)

const app = Fastify()
await app.register(asyncTasks, { connectionString, tasks: [crop, rotate], authorize: false })
await app.ready()

const cropped = await app.tasks.createTask(crop, { width: 2 })
assert.deepEqual(cropped.params, { width: 2, height: 100 })
const { result } = await app.tasks.waitFor(cropped.taskId, { task: crop })
isTrue<Same<typeof result, { area: number; at: string } | null>>()
assert.equal(result?.area, 200)
const invalid = (pointer: string) => (error: { code: string; problems: { pointer: string }[] }) =>
  error.code === 'INVALID_PARAMS' && error.problems[0]?.pointer === pointer
// @ts-expect-error the width is a number
await assert.rejects(app.tasks.createTask(crop, { width: 'two' }), invalid('/width'))
// @ts-expect-error the degrees are a number
await assert.rejects(app.tasks.createTask(rotate, { degrees: '90' }), invalid('/degrees'))
assert.equal((await runTask(rotate, { degrees: 450 })).result, 90)
show('params of valibot and TypeBox are inferred, checked, and filled with defaults')

const { taskTypes } = (await app.inject('/api/admin/task-types')).json<{ taskTypes: TaskTypeView[] }>()
const fields = taskTypes.map(({ taskType, params }) => [taskType, Object.keys(params.properties ?? {})])
assert.deepEqual(Object.fromEntries(fields), { crop: ['width', 'height'], rotate: ['degrees'] })
show('GET /task-types has their JSON Schema')

isTrue<Same<ParamsOf<typeof crop>, { width: number; height?: number | undefined }>>()
isTrue<Same<ResultOf<typeof crop>, { area: number; at: Date }>>()
isTrue<Same<JsonOf<{ at: Date; tags: Set<string> }>, { at: string; tags: string[] }>>()
const typed = typedTasks(app.tasks, [crop, rotate])
const rotated = await typed.createTask('rotate', { degrees: 360 })
// @ts-expect-error the type is one of the list
await assert.rejects(typed.createTask('rotat', { degrees: 360 }), { code: 'UNKNOWN_TASK_TYPE' })
assert.equal((await app.tasks.waitFor(rotated.taskId, { task: rotate })).result, 0)
await app.close()
show('types: params, results in their JSON form, and the names of a fixed list')
