import { setTimeout as delay } from 'node:timers/promises'
import { now, type Starts } from '../process/commands.ts'
import type { MeasuringProcess } from '../process/fork.ts'
import type { Subject } from '../subject.ts'
import type { Limit, System } from '../system.ts'
import type { Measure, Sample } from './measure.ts'

const BATCH = 1_000
const LOOK_EVERY_MS = 5
const DEADLINE_MS = 120_000

interface Drain {
  readonly concurrency: number
  readonly tasks: number
  readonly limit?: Limit
}

/**
 * Drains a backlog. Time runs from the first handler's start, so that nobody's start-up counts, to the moment at which
 * the database shows no unfinished task.
 */
function drain(processCount: number, read: (system: System) => Drain) {
  return async (subject: Subject, scale: number): Promise<Sample> => {
    const { system } = subject
    const { concurrency, tasks: most, limit } = read(system)
    const tasks = Math.ceil((most * scale) / BATCH) * BATCH
    await subject.settle({ discard: true })
    await fill(subject, tasks, limit)
    await subject.settle({ discard: false })

    const processes = subject.processes(processCount)
    const readCpu = await subject.startCpuClock()
    await Promise.all(
      processes.map((one) => one.open({ tuning: 'throughput', concurrency, ...(limit && { limit }) })),
    )
    const firstAt = await untilStarted(processes, tasks, system.name)
    await subject.whenFinished()
    const seconds = (now() - firstAt) / 1_000
    const cpu = await readCpu(tasks)
    await Promise.all(processes.map((one) => one.close()))
    if (limit && tasks * limit.taskMs > seconds * 1_000 * limit.permits)
      throw new Error(`${system.name} runs more than ${limit.permits} tasks at once`)
    return { perSecond: tasks / seconds, ...cpu }
  }
}

async function fill(subject: Subject, tasks: number, limit: Limit | undefined): Promise<void> {
  const { process } = subject
  await process.open({ tuning: 'throughput', concurrency: null, ...(limit && { limit }) })
  await process.createMany({ batches: tasks / BATCH, size: BATCH })
  await process.close()
}

/** Answers when the first handler started. */
async function untilStarted(
  processes: readonly MeasuringProcess[],
  tasks: number,
  name: string,
): Promise<number> {
  const deadline = now() + DEADLINE_MS
  let started = 0
  let firstAt = Number.POSITIVE_INFINITY
  while (started < tasks) {
    if (now() > deadline) throw new Error(`${name} started ${started} of ${tasks} tasks in ${DEADLINE_MS} ms`)
    await delay(LOOK_EVERY_MS)
    const news: Starts[] = await Promise.all(processes.map((one) => one.takeStarts()))
    for (const starts of news) {
      started += starts.count
      firstAt = Math.min(firstAt, starts.firstAt ?? firstAt)
    }
  }
  return firstAt
}

const asTuned = ({ concurrency, tasksToRun }: System) => ({ concurrency, tasks: tasksToRun })
const asInstalled = ({ defaultConcurrency = 1 }: System) => ({
  concurrency: defaultConcurrency,
  tasks: 2 * BATCH,
})

const PERMITS = 3
const underLimit = (taskMs: number) => () => ({
  concurrency: 10,
  tasks: BATCH,
  limit: { permits: PERMITS, taskMs },
})

export const RUN_MEASURES: readonly Measure[] = [
  ...[1, 2, 4].map(
    (count): Measure => ({
      name: `run-${count}`,
      of: 'run',
      title: `no-op tasks processed, ${count} ${count === 1 ? 'process' : 'processes'}`,
      take: drain(count, asTuned),
    }),
  ),
  {
    name: 'run-default',
    of: 'run-default',
    title: 'no-op tasks processed, default concurrency',
    take: drain(1, asInstalled),
  },
  ...[0, 20].map(
    (taskMs): Measure => ({
      name: `limited-${taskMs}`,
      of: 'limited',
      title: `${taskMs ? `tasks of ${taskMs} ms` : 'no-op tasks'}, ${PERMITS} at once over 4 processes`,
      take: drain(4, underLimit(taskMs)),
    }),
  ),
]
