import { isDeepStrictEqual } from 'node:util'
import type { TaskDetail } from '../contract/task.ts'
import { requireValid, waitTaskOptions } from '../engine/create/arguments.ts'
import type { EndedTask } from '../engine/definition/create-options.ts'
import { requireDefinitions } from '../engine/definition/task.ts'
import type { AnyTask, ParamsOf, TaskReference } from '../engine/definition/task-reference.ts'
import { findTask } from '../engine/store/read.ts'
import { findTasksOf } from '../engine/store/rehearse.ts'
import { open, type TestTarget } from './target.ts'

/**
 * Finds tasks of a handler or a type's name whose params include the given ones: the oldest first, at most 1,000. Params
 * are not redacted.
 */
export async function findCreated<T extends TaskReference>(
  target: TestTarget,
  task: T,
  params: Partial<ParamsOf<T>> = {},
): Promise<TaskDetail[]> {
  const wanted = toJson(params)
  return (await findAll(target, task)).filter((one) => holds(one.params, wanted))
}

/**
 * Finds the one task of a handler whose params include the given ones.
 *
 * @throws Error that lists the existing tasks, if there is none or more than one
 */
export async function expectTask<T extends TaskReference>(
  target: TestTarget,
  task: T,
  params: Partial<ParamsOf<T>> = {},
): Promise<TaskDetail> {
  const all = await findAll(target, task)
  const matching = toJson(params)
  const [found, ...others] = all.filter((one) => holds(one.params, matching))
  if (found && others.length === 0) return found
  const wanted = `'${typesOf(task).join("' or '")}' with ${JSON.stringify(params)}`
  const there = all.map((one) => `\n  ${one.taskId} ${one.status} ${JSON.stringify(one.params)}`).join('')
  throw new Error(
    `expected one task ${wanted}, found ${found ? others.length + 1 : 'none'}${there && `; there are:${there}`}`,
  )
}

/**
 * Waits until the one task of a handler whose params include the given ones has ended. An executor must be running it.
 *
 * @param options `timeoutMs`: longest wait in milliseconds. Default 30,000
 * @throws Error as `expectTask`; TaskError `WAIT_TIMEOUT`
 */
export async function waitForTask<T extends AnyTask>(
  target: TestTarget,
  task: T,
  params: Partial<ParamsOf<T>> = {},
  options: { timeoutMs?: number } = {},
): Promise<EndedTask<T>> {
  requireValid('waitForTask options', waitTaskOptions, options)
  const { timeoutMs = 30_000 } = options
  const { manager } = await open(target)
  const { taskId } = await expectTask(target, task, params)
  return manager.waitFor(taskId, { timeoutMs, task })
}

async function findAll(target: TestTarget, task: TaskReference): Promise<TaskDetail[]> {
  const { db } = await open(target)
  const tasks: TaskDetail[] = []
  for (const taskId of await findTasksOf(db, typesOf(task))) {
    const one = await findTask(db, taskId)
    if (one) tasks.push(one)
  }
  return tasks
}

function typesOf(task: TaskReference): string[] {
  if (typeof task === 'string') return [task]
  return requireDefinitions(task).map(({ type }) => type)
}

/** As params are stored. */
function toJson(params: object): unknown {
  return JSON.parse(JSON.stringify(params))
}

/** Objects may hold more than they are asked for; everything else must be equal. */
function holds(value: unknown, wanted: unknown): boolean {
  const areObjects = [value, wanted].every(
    (one) => typeof one === 'object' && one !== null && !Array.isArray(one),
  )
  if (!areObjects) return isDeepStrictEqual(value, wanted)
  const given = new Map(Object.entries(value as object))
  return Object.entries(wanted as object).every(([key, item]) => holds(given.get(key), item))
}
