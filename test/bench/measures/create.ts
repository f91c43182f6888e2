import type { Created } from '../process/commands.ts'
import { percentile } from '../statistics.ts'
import type { Subject } from '../subject.ts'
import type { Measure, Sample } from './measure.ts'

const BATCH = 1_000

function create(callers: number, ms: number, { uniqueKeys = false } = {}) {
  return (subject: Subject, scale: number) =>
    counted(subject, (process) => process.createFor({ callers, ms: ms * scale, uniqueKeys }))
}

async function counted(
  subject: Subject,
  work: (process: Subject['process']) => Promise<Created>,
): Promise<Sample> {
  await subject.settle({ discard: true })
  const { process } = subject
  await process.open({ tuning: 'throughput', concurrency: null })
  const before = await subject.countStored()
  const readCpu = await subject.startCpuClock()
  const { tasks, seconds, callMs } = await work(process)
  const cpu = await readCpu(tasks)
  const stored = (await subject.countStored()) - before
  await process.close()
  if (stored !== tasks)
    throw new Error(`${subject.system.name} created ${tasks} tasks, but ${stored} are stored`)
  return {
    perSecond: tasks / seconds,
    p50Ms: percentile(callMs, 0.5),
    p99Ms: percentile(callMs, 0.99),
    ...cpu,
  }
}

export const CREATE_MEASURES: readonly Measure[] = [
  {
    name: 'create-50',
    of: 'create-50',
    title: 'one task at a time, 50 callers',
    take: create(50, 2_000),
  },
  {
    name: 'create-unique-50',
    of: 'create-unique-50',
    title: 'one task at a time, a unique key each, 50 callers',
    take: create(50, 2_000, { uniqueKeys: true }),
  },
  {
    name: 'create-1',
    of: 'create-1',
    title: 'one task at a time, one caller',
    take: create(1, 1_500),
  },
  {
    name: 'bulk',
    of: 'bulk',
    title: `bulk, batches of ${BATCH.toLocaleString('en')}`,
    take: (subject, scale) =>
      counted(subject, (process) => process.createMany({ batches: Math.ceil(25 * scale), size: BATCH })),
  },
]
