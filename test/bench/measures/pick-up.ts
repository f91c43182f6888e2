import { setTimeout as delay } from 'node:timers/promises'
import { now } from '../process/commands.ts'
import type { MeasuringProcess } from '../process/fork.ts'
import { percentile } from '../statistics.ts'
import type { Subject } from '../subject.ts'
import type { Measure, Sample } from './measure.ts'

const TASKS = 250
const EVERY_MS = 15
const CONCURRENCY = 10
const DEADLINE_MS = 30_000
/** Time for an executor to settle: registered, listening, idle. */
const SETTLE_MS = 300

/** From the call that creates a task to its handler's start. */
function pickUp(where: 'here' | 'elsewhere') {
  return async (subject: Subject, scale: number): Promise<Sample> => {
    await subject.settle({ discard: true })
    const processes = subject.processes(where === 'here' ? 1 : 2)
    const runner = processes[0] as MeasuringProcess
    const creator = processes.at(-1) as MeasuringProcess
    await runner.open({ tuning: 'latency', concurrency: CONCURRENCY })
    if (creator !== runner) await creator.open({ tuning: 'latency', concurrency: null })
    await delay(SETTLE_MS)
    await runner.takeStarts()

    const tasks = Math.ceil(TASKS * scale)
    const { calledAt } = await creator.createPaced({ tasks, everyMs: EVERY_MS })
    const startedAt = await collectStarts(runner, tasks, subject.system.name)
    await subject.whenFinished()
    await Promise.all(processes.map((one) => one.close()))
    const waits = calledAt.map((at, n) => (startedAt.get(n) ?? Number.NaN) - at)
    return { p50Ms: percentile(waits, 0.5), p99Ms: percentile(waits, 0.99) }
  }
}

async function collectStarts(
  runner: MeasuringProcess,
  tasks: number,
  name: string,
): Promise<Map<number, number>> {
  const deadline = now() + DEADLINE_MS
  const startedAt = new Map<number, number>()
  while (startedAt.size < tasks) {
    if (now() > deadline) throw new Error(`${name} picked up ${startedAt.size} of ${tasks} tasks`)
    for (const [n, at] of (await runner.takeStarts()).each) if (!startedAt.has(n)) startedAt.set(n, at)
    await delay(10)
  }
  return startedAt
}

/** What the same insert costs at the same pace, with nobody to pick it up. */
async function commit(subject: Subject, scale: number): Promise<Sample> {
  await subject.settle({ discard: true })
  const { process } = subject
  await process.open({ tuning: 'latency', concurrency: null })
  const { callMs } = await process.createPaced({ tasks: Math.ceil(TASKS * scale), everyMs: EVERY_MS })
  await process.close()
  return { p50Ms: percentile(callMs, 0.5), p99Ms: percentile(callMs, 0.99) }
}

export const PICK_UP_MEASURES: readonly Measure[] = [
  { name: 'commit', of: 'pick-up', title: 'creation alone, at the same pace', take: commit },
  { name: 'pick-up-here', of: 'pick-up', title: 'pick-up in the creating process', take: pickUp('here') },
  {
    name: 'pick-up-elsewhere',
    of: 'pick-up',
    title: 'pick-up in another process',
    take: pickUp('elsewhere'),
  },
]
