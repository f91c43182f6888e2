import type { Measure, Sample } from '../measures/measure.ts'
import type { TakenSample } from '../rounds.ts'
import { median } from '../statistics.ts'
import type { System } from '../system.ts'

const FIGURES = ['perSecond', 'p50Ms', 'p99Ms', 'serverCpuMicros', 'clientCpuMicros'] as const

/** Medians of the rounds. */
export interface Figure extends Sample {
  readonly system: string
  /** Slowest and fastest round. */
  readonly range: readonly [number, number]
}

export interface MeasuredRow {
  readonly name: string
  readonly title: string
  readonly figures: readonly Figure[]
}

export interface Summary {
  readonly rounds: number
  readonly systems: readonly { readonly name: string; readonly mode: string; readonly rows: string }[]
  readonly measures: readonly MeasuredRow[]
}

export function summarise(
  samples: readonly TakenSample[],
  run: { systems: readonly System[]; measures: readonly Measure[]; rounds: number },
): Summary {
  return {
    rounds: run.rounds,
    systems: run.systems.map(({ name, mode, rows }) => ({ name, mode, rows })),
    measures: run.measures.map(({ name, title }) => ({
      name,
      title,
      figures: run.systems.flatMap((system) =>
        toFigure(
          system.name,
          samples.filter((one) => one.measure === name && one.system === system.name),
        ),
      ),
    })),
  }
}

function toFigure(system: string, samples: readonly TakenSample[]): Figure[] {
  if (samples.length === 0) return []
  const of = (key: keyof Sample) => samples.flatMap((sample) => sample[key] ?? [])
  const figure: Record<string, number> = {}
  for (const key of FIGURES) {
    const values = of(key)
    if (values.length > 0) figure[key] = median(values)
  }
  const main = of('perSecond').length > 0 ? of('perSecond') : of('p50Ms')
  return [{ system, ...figure, range: [Math.min(...main), Math.max(...main)] }]
}
