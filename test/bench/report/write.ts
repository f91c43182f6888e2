import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { TakenSample } from '../rounds.ts'
import type { BenchServer } from '../server.ts'
import { describeInWords, describeMachine, type Machine } from './machine.ts'
import { renderPlot } from './plot.ts'
import type { Summary } from './summary.ts'
import { renderTable } from './table.ts'

export interface Report {
  readonly machine: Machine
  readonly summary: Summary
  readonly samples: readonly TakenSample[]
}

/** bench.json with every round, bench.md with the table, bench.svg with the picture. */
export function writeReport(folder: string, { machine, summary, samples }: Report): void {
  const write = (name: string, text: string) => writeFileSync(path.join(folder, name), text)
  mkdirSync(folder, { recursive: true })
  write('bench.json', `${JSON.stringify({ machine, ...summary, samples }, null, 2)}\n`)
  write('bench.md', `${renderTable(summary)}\n\n${describeRun(machine, summary)}\n`)
  write('bench.svg', renderPlot(summary))
}

/** What one of the scripts found out, with where it did. */
export function writeResult(folder: string, name: string, result: object, server: BenchServer): void {
  mkdirSync(folder, { recursive: true })
  const text = JSON.stringify({ machine: describeMachine(server), ...result }, null, 2)
  writeFileSync(path.join(folder, name), `${text}\n`)
}

function describeRun(machine: Machine, { rounds, systems }: Summary): string {
  const modes = systems.map(({ name, mode, rows }) => `- ${name}: ${mode}; finished rows are ${rows}`)
  return `Medians of ${rounds} rounds. ${describeInWords(machine)}.\n\n${modes.join('\n')}`
}
