import type { Measure, Sample } from './measures/measure.ts'
import type { BenchServer } from './server.ts'
import { Subject } from './subject.ts'
import type { System } from './system.ts'

export interface TakenSample extends Sample {
  readonly measure: string
  readonly system: string
  readonly round: number
}

const WARM_UP_SCALE = 0.1

export interface RoundOptions {
  readonly systems: readonly System[]
  readonly measures: readonly Measure[]
  readonly rounds: number
  /** Length of a measurement against the usual one. */
  readonly scale: number
  /** Whether a short round before the first warms up compilers and caches; it is forgotten. */
  readonly warmUp: boolean
}

/**
 * Takes every measure of every system in each round, one after the other: what disturbs the machine for a while
 * disturbs all of them alike.
 */
export async function takeRounds(server: BenchServer, options: RoundOptions): Promise<TakenSample[]> {
  const { systems, measures, rounds, scale, warmUp } = options
  const subjects: Subject[] = []
  const samples: TakenSample[] = []
  try {
    for (const system of systems) subjects.push(await Subject.create(system, server))
    for (let round = warmUp ? 0 : 1; round <= rounds; round += 1) {
      console.log(round === 0 ? 'warm-up' : `round ${round} of ${rounds}`)
      for (const measure of measures) {
        for (const subject of subjects.filter(({ system }) => system.measures.includes(measure.of))) {
          const sample = await measure.take(subject, round === 0 ? Math.min(scale, WARM_UP_SCALE) : scale)
          if (round > 0)
            samples.push({ measure: measure.name, system: subject.system.name, round, ...sample })
        }
      }
    }
    return samples
  } finally {
    await Promise.all(subjects.map((subject) => subject.end()))
  }
}
