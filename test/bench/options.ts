import { parseArgs } from 'node:util'
import type { Measure } from './measures/measure.ts'
import { MEASURES } from './measures.ts'
import type { RoundOptions } from './rounds.ts'
import { findSystem, OWN_SYSTEMS, SYSTEMS } from './systems.ts'

export const USAGE = `npm run bench -- [options]

  --rounds <n>         rounds of every measurement, of which the median counts (default 5)
  --quick              one short round of each: shows that everything works, not how fast it is
  --own                without the peers, which then need not be installed
  --systems <names>    only these, separated by commas: ${SYSTEMS.map(({ name }) => name).join(', ')}
  --measures <names>   only these: ${MEASURES.map(({ name }) => name).join(', ')}
  --output <folder>    where bench.json, bench.md and bench.svg go (default docs/bench; "none": nowhere)

BENCH_DATABASE_URL names a server to measure on; without it PostgreSQL is started for the run.
`

export interface BenchOptions extends RoundOptions {
  readonly help: boolean
  /** Undefined: nothing is written. */
  readonly output: string | undefined
}

/** @throws TypeError that says what is wrong with the arguments */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      own: { type: 'boolean', default: false },
      systems: { type: 'string' },
      measures: { type: 'string' },
      output: { type: 'string', default: 'docs/bench' },
    },
  })
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5))
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new TypeError(`--rounds must be a whole number from 1, got '${values.rounds}'`)
  }
  return {
    help: values.help,
    rounds,
    scale: values.quick ? 0.1 : 1,
    warmUp: !values.quick,
    systems: values.systems?.split(',').map(findSystem) ?? (values.own ? OWN_SYSTEMS : SYSTEMS),
    measures: values.measures?.split(',').map(findMeasure) ?? MEASURES,
    output: values.output === 'none' ? undefined : values.output,
  }
}

function findMeasure(name: string): Measure {
  const measure = MEASURES.find((one) => one.name === name)
  if (measure) return measure
  throw new TypeError(
    `there is no measure '${name}'; there are: ${MEASURES.map((one) => one.name).join(', ')}`,
  )
}
