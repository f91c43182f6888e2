import { parseArgs } from 'node:util'
import { withScratchServer } from '../../bench/scratch-server.ts'
import { loseOne } from './lose-one.ts'
import { startContainers, startProcesses } from './replicas.ts'

/**
 * Starts two replicas on one PostgreSQL as deploy/compose.yaml does, kills one under load, and prints what became of
 * the tasks. With --compose in containers, else as processes of this machine.
 *
 * node test/processes/replicas/show-loss.ts --compose
 */

const { values } = parseArgs({ options: { compose: { type: 'boolean', default: false } } })

async function show(starting: Promise<Awaited<ReturnType<typeof startProcesses>>>): Promise<void> {
  const replicas = await starting
  try {
    console.log(await loseOne(replicas))
  } finally {
    await replicas.stop()
  }
}

if (values.compose) await show(startContainers())
else await withScratchServer({ durable: true }, (url) => show(startProcesses(url)))
