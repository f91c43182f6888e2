import { parseArgs } from 'node:util'
import Fastify from 'fastify'
import asyncTasks, { createTaskRegistry } from '../../src/index.ts'
import { withScratchServer } from './scratch-server.ts'
import { median } from './statistics.ts'

/**
 * What listeners of `app.tasks.on` cost: tasks a second of one slot and CPU time of this process, without and with
 * 100 listeners, in turn. The server does not wait for its disk: its noise is larger than what is measured.
 *
 * node test/bench/listeners.ts --rounds 11 --tasks 10000
 */

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '11' }, tasks: { type: 'string', default: '10000' } },
})
const count = Number(values.tasks)

interface Figures {
  readonly rate: number
  /** Microseconds a task. */
  readonly cpu: number
}

async function measure(url: string, listeners: number): Promise<Figures> {
  const { task } = createTaskRegistry()
  const { promise: done, resolve } = Promise.withResolvers<void>()
  let runs = 0
  const work = task('work')(() => {
    runs += 1
    if (runs === count) resolve()
  })
  const app = Fastify()
  const options = { connectionString: url, tasks: [work], routes: false, concurrency: 1 } as const
  await app.register(asyncTasks, options)
  let heard = 0
  for (let i = 0; i < listeners; i += 1) app.tasks.on('completed', () => (heard += 1))
  const creator = Fastify()
  await creator.register(asyncTasks, { ...options, executor: false })
  await creator.ready()
  for (let created = 0; created < count; created += 1000) {
    await creator.tasks.createTasks(Array.from({ length: 1000 }, () => ({ task: work })))
  }
  await creator.close()
  const from = performance.now()
  const cpuBefore = process.cpuUsage()
  await app.ready()
  await done
  const rate = count / ((performance.now() - from) / 1000)
  const { user, system } = process.cpuUsage(cpuBefore)
  await app.close()
  if (heard < listeners * (count - 1)) throw new Error(`${heard} events were heard`)
  return { rate, cpu: (user + system) / count }
}

await withScratchServer({ durable: false }, async (url) => {
  for (const listeners of [0, 100]) await measure(url, listeners)
  const figures: Record<number, Figures[]> = { 0: [], 100: [] }
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const listeners of round % 2 ? [0, 100] : [100, 0])
      figures[listeners]?.push(await measure(url, listeners))
  }
  for (const [listeners, all] of Object.entries(figures)) {
    const rates = all.map(({ rate }) => Math.round(rate))
    const cpu = median(all.map((one) => one.cpu)).toFixed(1)
    console.log(`${listeners} listeners: ${median(rates)} tasks a second (${rates}), ${cpu} µs of CPU a task`)
  }
})
