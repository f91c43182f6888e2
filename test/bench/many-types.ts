import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import Fastify from 'fastify'
import asyncTasks, { createTaskRegistry } from '../../src/index.ts'
import { describe, withScratchServer } from './scratch-server.ts'

/**
 * Pick-up of a task that another process creates, with an executor of 20, 300, 1,000 and 5,000 types.
 *
 * node test/bench/many-types.ts --types 20,5000 --tasks 200
 */

const { values } = parseArgs({
  options: {
    types: { type: 'string', default: '20,300,1000,5000' },
    tasks: { type: 'string', default: '200' },
  },
})

for (const types of values.types.split(',').map(Number)) {
  await withScratchServer({ durable: false }, (url) => measure(url, types, Number(values.tasks)))
}

async function measure(url: string, types: number, tasks: number): Promise<void> {
  const registry = createTaskRegistry()
  let started = (_taskId: string): void => {}
  for (let i = 0; i < types; i += 1) {
    registry.task(`app.module${i % 50}.type_number_${i}`)((_params, { taskId }) => started(taskId))
  }
  const names = [...registry.definitions().keys()]
  const options = { connectionString: url, routes: false, registry } as const
  const [runs, creates] = [Fastify(), Fastify()]
  await runs.register(asyncTasks, { ...options, concurrency: 10 })
  await creates.register(asyncTasks, { ...options, executor: false })
  await Promise.all([runs.ready(), creates.ready()])
  const waits: number[] = []
  for (let i = 0; i < tasks; i += 1) {
    const { promise, resolve } = Promise.withResolvers<number>()
    started = () => resolve(performance.now())
    await delay(5)
    const begun = performance.now()
    await creates.tasks.createTask(names[(i * 7919) % names.length] ?? '')
    waits.push((await promise) - begun)
  }
  const burst = names.slice(0, 1_000).map((task) => ({ task }))
  let left = burst.length
  const drained = Promise.withResolvers<void>()
  started = () => {
    left -= 1
    if (left === 0) drained.resolve()
  }
  const begun = performance.now()
  await creates.tasks.createTasks(burst)
  await drained.promise
  const perSecond = Math.round(burst.length / ((performance.now() - begun) / 1_000))
  const { p50, p95, max } = describe(waits.slice(10))
  console.log(
    `${types} types: pick-up p50 ${p50} ms, p95 ${p95}, max ${max}; ${burst.length} tasks of as many types: ${perSecond}/s`,
  )
  await Promise.all([runs.close(), creates.close()])
}
