import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import Fastify from 'fastify'
import type { OverviewRange } from '../../src/contract/overview-views.ts'
import { SOURCES } from '../../src/engine/store/figures.ts'
import asyncTasks from '../../src/index.ts'
import { fillHistory } from './history.ts'
import { now } from './process/commands.ts'
import { describe } from './scratch-server.ts'
import { type Pool, startBenchServer } from './server.ts'
import { Subject } from './subject.ts'
import { ours } from './systems/ours.ts'

/**
 * How long the first answer of the overview takes in a process that has given none, on tables with years of history and
 * with the figures of a week.
 *
 * node test/bench/overview.ts --finished 10000000 --answers 200
 */

const { values } = parseArgs({
  options: {
    finished: { type: 'string', default: '10000000' },
    scheduled: { type: 'string', default: '10000' },
    answers: { type: 'string', default: '200' },
  },
})
const RANGES: readonly OverviewRange[] = ['1h', '24h', '7d']

/** As many rows as there can be: every span of all types of the history, from each source. */
const FIGURES = `
  insert into async_task_figures (span_minutes, at, task_type, source, figures)
  select span, date_bin(span * interval '1 minute', now(), 'epoch') - n * span * interval '1 minute', 'type_' || type, source,
         array(select (random() * 20 + n * 0 + type * 0 + source * 0)::int from generate_series(1, 108))
    from (values (1, 180), (15, 192), (60, 192)) as kept (span, count)
   cross join lateral generate_series(0, count - 1) as n
   cross join generate_series(0, 19) as type
   cross join generate_series(0, $1::int - 1) as source`

async function firstAnswer(url: string, range: OverviewRange): Promise<number> {
  const app = Fastify()
  await app.register(asyncTasks, { connectionString: url, tasks: [], routes: false, executor: false })
  await app.ready()
  try {
    // A page asks after its log-in: a connection is there.
    await app.tasks.getTask('task_0')
    const from = now()
    const { whole } = await app.tasks.overview({ range })
    const took = now() - from
    if (whole.completed === 0) throw new Error('the overview shows nothing')
    return took
  } finally {
    await app.close()
  }
}

/** As processes write them: for all types together, too. */
const TOTALS = readFileSync(new URL('../../migrations/tasks/0018_figure_totals.sql', import.meta.url), 'utf8')

async function fill(pool: Pool): Promise<void> {
  await fillHistory(pool, { finished: Number(values.finished), scheduled: Number(values.scheduled) })
  await pool.query(FIGURES, [SOURCES])
  await pool.query(TOTALS)
  await pool.query('vacuum (analyze) async_task_figures')
}

const server = await startBenchServer()
try {
  const subject = await Subject.create(ours, server, 'overview')
  await fill(subject.pool)
  for (const range of RANGES) {
    const times: number[] = []
    for (let i = 0; i < Number(values.answers); i += 1) times.push(await firstAnswer(subject.url, range))
    const { p50, p95, p99, max } = describe(times)
    console.log(`first answer of ${range}: p50 ${p50}, p95 ${p95}, p99 ${p99}, longest ${max} ms`)
  }
  await subject.end()
} finally {
  await server.stop()
}
