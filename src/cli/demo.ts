import { setTimeout as delay } from 'node:timers/promises'
import type { TaskDetail } from '../contract/task.ts'
import { DemoClient } from './demo-client.ts'
import { startDemoServer } from './demo-server.ts'
import { describeLoaded } from './demo-summary.ts'
import { createProgressView, type ProgressView } from './demo-view.ts'

/**
 * `npm run demo`: the four market tasks on a server of its own, watched over REST as any program could.
 * Leaves nothing behind, however it ends.
 */

/** Bars are stored only for stocks that are there, and a board's bars need its members: the lists come first. */
const LISTS = [
  { taskType: 'init_stocks', params: {} },
  { taskType: 'init_sectors', params: {} },
]
const BARS = [
  { taskType: 'backfill_by_date', params: { targetDate: '2026-01-05' } },
  { taskType: 'backfill_by_range', params: { startDate: '2025-01-01', endDate: '2025-12-31' } },
]
const TASK_TYPES = [...LISTS, ...BARS].map(({ taskType }) => taskType)

/** Often enough for a bar to move smoothly. */
const LOOK_INTERVAL_MS = 75
/** Far longer than the demo takes: after that, something is wrong. */
const TIME_LIMIT_MS = 120_000

async function runDemo(signal: AbortSignal): Promise<void> {
  console.log('starting a server of its own: fresh embedded PostgreSQL, synthetic market')
  await using server = await startDemoServer()
  try {
    signal.throwIfAborted()
    const client = new DemoClient(server.address, signal)
    await client.logIn(server.username, server.password)
    console.log(`four tasks over REST at ${server.address}/api/admin\n`)
    const startedAt = performance.now()
    const ended = await runTasks(client, signal)
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
    console.log(`\nloaded in ${seconds} s, as the tasks' results say:\n${describeLoaded(ended)}`)
  } catch (error) {
    if (!signal.aborted) for (const line of server.warnings) console.error(line)
    throw error
  }
}

async function runTasks(client: DemoClient, signal: AbortSignal): Promise<Map<string, TaskDetail>> {
  const view = createProgressView(TASK_TYPES, process.stdout)
  const ended = new Map<string, TaskDetail>()
  try {
    for (const stage of [LISTS, BARS]) {
      const tasks = await Promise.all(
        stage.map(({ taskType, params }) => client.createTask(taskType, params)),
      )
      const ends = await Promise.all(tasks.map(({ taskId }) => followTask(client, taskId, view, signal)))
      for (const task of ends) ended.set(task.taskType, task)
    }
    return ended
  } finally {
    view.close()
  }
}

/** Resolves when the task has completed. */
async function followTask(
  client: DemoClient,
  taskId: string,
  view: ProgressView,
  signal: AbortSignal,
): Promise<TaskDetail> {
  for (;;) {
    const task = await client.getTask(taskId)
    view.show(task)
    if (task.status === 'completed') return task
    if (task.status === 'failed' || task.status === 'cancelled') {
      throw new Error(`${task.taskType} ${task.status}: ${task.error ?? 'no error was given'}`)
    }
    await delay(LOOK_INTERVAL_MS, undefined, { signal })
  }
}

const interrupt = new AbortController()
// A terminal's Ctrl-C comes twice: directly, and once more through npm.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.on(signal, () => {
    process.exitCode = code
    interrupt.abort()
  })
}

// A reader such as `head` has seen enough.
process.stdout.on('error', () => interrupt.abort())
process.stderr.on('error', () => {})

try {
  await runDemo(AbortSignal.any([interrupt.signal, AbortSignal.timeout(TIME_LIMIT_MS)]))
} catch (error) {
  if (interrupt.signal.aborted) console.error('stopped; nothing is left behind')
  else {
    console.error(`the demo failed: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  }
}
