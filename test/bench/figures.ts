import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Sample } from './measures/measure.ts'
import { RUN_MEASURES } from './measures/run.ts'
import { startBenchServer } from './server.ts'
import { median } from './statistics.ts'
import { Subject } from './subject.ts'
import { ours } from './systems/ours.ts'

/**
 * What the figures of the overview cost: run-1 of the benchmark with them and without, in turn.
 *
 * node test/bench/figures.ts --rounds 5
 */

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    /** Of the tasks that run-1 of the benchmark runs. */
    scale: { type: 'string', default: '1' },
  },
})
const [oneProcess] = RUN_MEASURES
const WITHOUT = fileURLToPath(new URL('./without-figures.ts', import.meta.url))

const server = await startBenchServer()
try {
  const subjects = {
    with: await Subject.create(ours, server, 'with'),
    without: await Subject.create(ours, server, 'without', ['--import', WITHOUT]),
  }
  const samples: Record<keyof typeof subjects, Sample[]> = { with: [], without: [] }
  for (let round = 0; round <= Number(values.rounds); round += 1) {
    for (const name of round % 2 ? (['with', 'without'] as const) : (['without', 'with'] as const)) {
      const sample = await oneProcess?.take(subjects[name], round === 0 ? 0.1 : Number(values.scale))
      if (sample && round > 0) samples[name].push(sample)
    }
  }
  const rows = await subjects.without.pool.query('select from async_task_figures')
  if (rows.rowCount !== 0) throw new Error('figures were kept where none should be')
  for (const [name, all] of Object.entries(samples)) {
    const rates = all.map(({ perSecond = Number.NaN }) => Math.round(perSecond))
    const cpu = (of: 'clientCpuMicros' | 'serverCpuMicros') =>
      median(all.map((one) => one[of] ?? Number.NaN)).toFixed(1)
    console.log(
      `${name} figures: ${median(rates)} tasks/s (${rates}), CPU a task: ${cpu('clientCpuMicros')} µs in the process, ${cpu('serverCpuMicros')} µs in PostgreSQL`,
    )
  }
  const rate = (all: readonly Sample[]) => median(all.map(({ perSecond = Number.NaN }) => perSecond))
  console.log(`with / without: ${(rate(samples.with) / rate(samples.without)).toFixed(4)}`)
  await Promise.all(Object.values(subjects).map((subject) => subject.end()))
} finally {
  await server.stop()
}
