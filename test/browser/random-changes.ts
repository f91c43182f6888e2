import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import type { TaskManager } from '../../src/engine/manager/manager.ts'

const { task } = createTaskRegistry()
export const quick = task('quick', { maxRetries: 0 })(() => {})
export const steps = task('steps', { maxRetries: 0 })(async (_params, ctx) => {
  for (let step = 1; step <= 5; step += 1) {
    ctx.progress(step, 5, `step ${step}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  if (Math.random() < 0.3) throw new Error('out of paper')
})

type Manager = Pick<
  TaskManager,
  'createTask' | 'createTasks' | 'cancelTask' | 'retryTask' | 'deleteTask' | 'bulk'
>

/**
 * Makes about so many random changes, each by one of the managers, of the tasks that it creates and of those given.
 * What a task does not allow is no change.
 */
export async function changeAtRandom(
  managers: readonly Manager[],
  count: number,
  taskIds: readonly string[] = [],
): Promise<void> {
  const ids = [...taskIds]
  const pick = <T>(all: readonly T[]): T => all[Math.floor(Math.random() * all.length)] as T
  const create = async (manager: Manager) => {
    const delayMs = pick([0, 0, 3_600_000])
    ids.push((await manager.createTask(pick([quick, steps]), {}, { delayMs })).taskId)
  }
  const createMany = async (manager: Manager) => {
    const items = Array.from({ length: 10 }, () => ({ task: quick, delayMs: pick([0, 3_600_000]) }))
    for (const { taskId } of await manager.createTasks(items)) ids.push(taskId)
  }
  const bulk = (manager: Manager) =>
    manager.bulk({
      action: pick(['cancel', 'retry', 'delete'] as const),
      taskIds: [...new Set(Array.from({ length: 10 }, () => pick(ids)))],
    })
  const changes = [
    create,
    create,
    createMany,
    (manager: Manager) => manager.cancelTask(pick(ids)),
    (manager: Manager) => manager.retryTask(pick(ids)),
    (manager: Manager) => manager.deleteTask(pick(ids)),
    bulk,
  ]
  await create(pick(managers))
  let left = count
  const work = async () => {
    while (left > 0) {
      const change = pick(changes)
      left -= change === createMany || change === bulk ? 10 : 1
      await change(pick(managers)).catch((error: { code?: string }) => {
        if (error.code === undefined) throw error
      })
    }
  }
  await Promise.all(Array.from({ length: 4 }, work))
}
