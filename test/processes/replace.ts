import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { createTestDatabase } from '../support/database.ts'
import { createEngine } from '../support/engine.ts'

type Params = Record<string, unknown>

export interface Storm {
  /** Processes that replace the same task, all the time. */
  readonly creators: number
  readonly perSecond: number
  readonly forMs: number
  /** One of them is killed this often, and another one takes its place. */
  readonly killEveryMs: number
  readonly options: { readonly delayMs: number; readonly maxDelayMs?: number }
}

/** What ran while many processes created tasks with one key, the last of them by this process. */
export async function runStorm({ creators, perSecond, forMs, killEveryMs, options }: Storm) {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const runs: Params[] = []
  const work = createTaskRegistry().task('elsewhere')((params) => void runs.push(params))
  const worker = createEngine(database, [work], { pollIntervalMs: 60_000 }, { hears: true })
  worker.executor.start()
  onTestFinished(() => worker.executor.stop())
  // Types are known by name once an executor has them.
  await worker.manager.waitFor((await worker.manager.createTask(work)).taskId)
  const script = new URL('./replace-process.ts', import.meta.url)
  const args = [database.url, String(perSecond / creators), JSON.stringify(options)]
  const begin = (name: string) => {
    const child = fork(script, [name, ...args])
    onTestFinished(() => void child.kill('SIGKILL'))
    return { child, begun: once(child, 'message') }
  }
  let children = Array.from({ length: creators }, (_, i) => begin(`c${i}x`))
  await Promise.all(children.map(({ begun }) => begun))
  const until = performance.now() + forMs
  for (let killed = 0; performance.now() < until; killed += 1) {
    await delay(Math.min(killEveryMs, until - performance.now()))
    const [first, ...others] = children
    first?.child.kill('SIGKILL')
    children = [...others, begin(`k${killed}x`)]
    await Promise.all(children.map(({ begun }) => begun))
  }
  await Promise.all(
    children.map(({ child }) => {
      child.kill('SIGKILL')
      return once(child, 'exit')
    }),
  )
  let last = await worker.manager.createTask(
    work,
    { last: true },
    { ...options, uniqueKey: 'k', onDuplicate: 'replace' },
  )
  // What has begun meanwhile keeps its params.
  while (!last.created && !last.replaced) {
    await worker.manager.waitFor(last.taskId)
    last = await worker.manager.createTask(
      work,
      { last: true },
      { ...options, uniqueKey: 'k', onDuplicate: 'replace' },
    )
  }
  await worker.manager.waitFor(last.taskId)
  const { tasks } = await worker.manager.listTasks({ pageSize: 1_000 })
  expect(runs.at(-1)).toEqual({ last: true })
  for (const params of runs.slice(1, -1)) {
    expect(params).toEqual({ by: params.by, seq: params.seq, [`${params.by}${params.seq}`]: true })
  }
  expect(tasks.every(({ status, retryCount }) => status === 'completed' && retryCount === 0)).toBe(true)
  expect(runs).toHaveLength(tasks.length)
  return { runs: runs.length - 1, tasks: tasks.slice(0, -1) }
}
