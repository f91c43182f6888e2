import { type BenchOptions, parseOptions, USAGE } from './options.ts'
import { installPeers } from './peers.ts'
import { describeMachine } from './report/machine.ts'
import { summarise } from './report/summary.ts'
import { renderTable } from './report/table.ts'
import { writeReport } from './report/write.ts'
import { takeRounds } from './rounds.ts'
import { startBenchServer } from './server.ts'
import { OWN_SYSTEMS } from './systems.ts'

/** Measures this project and its peers on one PostgreSQL, in one run. */
async function main(options: BenchOptions): Promise<void> {
  if (options.systems.some((system) => !OWN_SYSTEMS.includes(system))) installPeers()
  const server = await startBenchServer()
  try {
    const samples = await takeRounds(server, options)
    const machine = describeMachine(server)
    const summary = summarise(samples, options)
    process.stdout.write(`\n${renderTable(summary)}\n`)
    if (options.output !== undefined) writeReport(options.output, { machine, summary, samples })
  } finally {
    await server.stop()
  }
}

/** Undefined: there is nothing to measure, and the reason has been said. */
function readOptions(): BenchOptions | undefined {
  try {
    const options = parseOptions(process.argv.slice(2))
    if (!options.help) return options
    process.stdout.write(USAGE)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    process.stderr.write(`${error.message}\n\n${USAGE}`)
    process.exitCode = 2
  }
  return undefined
}

const options = readOptions()
if (options) await main(options)
