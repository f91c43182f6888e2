import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createTasksClient } from '../../src/client/index.ts'
import { startEmbedded } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'

/**
 * Many viewers on the stream of one running task, which another process runs: statements of the process that shows
 * it, its heap over time, how old what they see is, and whether tasks are picked up later than without them.
 *
 * node test/bench/viewers.ts --viewers 500 --seconds 600
 */

const { values } = parseArgs({
  options: { viewers: { type: 'string', default: '500' }, seconds: { type: 'string', default: '120' } },
})
const viewers = Number(values.viewers)
const seconds = Number(values.seconds)

interface WebState {
  readonly statements: number
  readonly heap: number
  readonly at: number
}

const dataDir = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-viewers-'))
chmodSync(dataDir, 0o755)
const postgres = await startEmbedded({ dataDir, durable: false })
const children: ChildProcess[] = []
try {
  await migrate(postgres.url, 'tasks', { mode: 'auto' })
  await measure()
} finally {
  for (const child of children) child.kill('SIGKILL')
  await postgres.stop()
  rmSync(dataDir, { recursive: true, force: true })
}

async function measure(): Promise<void> {
  const executor = start('executor')
  const { taskId } = await answer<{ taskId: string }>(executor)
  const web = start('web')
  const { address } = await answer<{ address: string }>(web)
  const baselineSeconds = Math.min(30, seconds / 4)
  await ask(executor)
  await delay(baselineSeconds * 1_000)
  const without = (await ask<{ waits: number[] }>(executor)).waits

  const leaving = new AbortController()
  const ages: number[] = []
  const seen = new Array<number>(viewers).fill(0)
  const arrived = seen.map(() => Promise.withResolvers<void>())
  const watching = seen.map((_, viewer) =>
    watch(address, taskId, viewer, { ages, seen, leaving, arrive: () => arrived[viewer]?.resolve() }),
  )
  await Promise.race([Promise.all(arrived.map(({ promise }) => promise)), Promise.all(watching)])
  await ask(executor)
  const first = await ask<WebState>(web)
  await delay(seconds * 200)
  const early = await ask<WebState>(web)
  await delay(seconds * 800)
  const late = await ask<WebState>(web)
  const during = (await ask<{ waits: number[] }>(executor)).waits
  leaving.abort()
  await Promise.allSettled(watching)

  const rate = (late.statements - first.statements) / ((late.at - first.at) / 1_000)
  console.log(`${viewers} viewers for ${seconds} s`)
  console.log(`statements a second of the process that shows: ${rate.toFixed(2)}`)
  console.log(
    `heap after collection: ${mib(early.heap)} after ${seconds / 5} s, ${mib(late.heap)} at the end`,
  )
  console.log(`  ratio ${(late.heap / early.heap).toFixed(3)}`)
  console.log(`from ctx.progress to a viewer in another process: ${quantiles(ages)}`)
  console.log(`picked up without viewers: ${quantiles(without)}`)
  console.log(`picked up with viewers:    ${quantiles(during)}`)
  console.log(`bytes a viewer: ${Math.min(...seen.slice(1))} to ${Math.max(...seen)}`)
}

interface Watching {
  readonly ages: number[]
  readonly seen: number[]
  readonly leaving: AbortController
  /** Called with each event: the first one is what the task is when the stream begins. */
  arrive(): void
}

/** The first one looks at what it gets. The others only take it: they run on the machine that is measured. */
async function watch(
  address: string,
  taskId: string,
  viewer: number,
  { ages, seen, leaving, arrive }: Watching,
): Promise<void> {
  const { signal } = leaving
  const baseUrl = `${address}/api/admin`
  if (viewer > 0) {
    const { body } = await fetch(`${baseUrl}/tasks/${taskId}/events`, { signal })
    for await (const chunk of body ?? []) {
      seen[viewer] = (seen[viewer] ?? 0) + chunk.byteLength
      arrive()
    }
    return
  }
  let isFirst = true
  for await (const event of createTasksClient({ baseUrl }).watch(taskId, { signal })) {
    if (event.type === 'task' && !isFirst) ages.push(Date.now() - Number(event.task.step))
    isFirst = false
    arrive()
  }
}

function start(role: 'web' | 'executor'): ChildProcess {
  const script = path.join(import.meta.dirname, 'viewers-process.ts')
  const child = fork(script, [role, postgres.url], { execArgv: ['--expose-gc'] })
  children.push(child)
  return child
}

async function answer<T>(child: ChildProcess): Promise<T> {
  const [message] = await once(child, 'message')
  return message as T
}

function ask<T>(child: ChildProcess): Promise<T> {
  const answered = answer<T>(child)
  child.send('now')
  return answered
}

function quantiles(values: readonly number[]): string {
  const sorted = values.toSorted((left, right) => left - right)
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]?.toFixed(0)
  return `p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, max ${at(1)} ms (${sorted.length})`
}

function mib(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`
}
