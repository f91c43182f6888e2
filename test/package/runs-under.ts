import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect } from 'vitest'
import { createEmptyDatabase, embedding, host, run, startApp } from './installed-package.ts'

/** Runs the README's embedding example under a Node, creates a task, reads it over REST and stops the app. */
export async function runEmbeddingExample(node: string): Promise<void> {
  const database = await createEmptyDatabase()
  writeFileSync(path.join(host, 'app.js'), embedding())
  const app = await startApp('app.js', { DATABASE_URL: database.url, ADMIN_TOKEN: 'secret' }, node)
  const { address } = app

  const posted = await fetch(`${address}/books`, { method: 'POST' })
  expect(posted.status).toBe(202)
  const { taskId } = (await posted.json()) as { taskId: string }
  const url = `${address}/api/admin/tasks/${taskId}`
  expect((await fetch(url)).status).toBe(401)

  const look = async () => (await fetch(url, { headers: { authorization: 'Bearer secret' } })).json()
  await expect.poll(look).toMatchObject({
    status: 'completed',
    percent: 100,
    step: 'page 20',
    params: { pages: 20, title: 'untitled' },
    result: { title: 'untitled', pages: 20 },
    attempts: [{ attempt: 1, outcome: 'completed' }],
  })
  app.process.kill('SIGTERM')
  expect(await app.ended).toEqual([0, null])
}

/** Runs a thread's handler under a Node. */
export async function runThreadHandler(node: string): Promise<void> {
  const database = await createEmptyDatabase()
  writeFileSync(path.join(host, 'double.js'), 'export default async ({ value }) => value * 2')
  const code = `
    import asyncTasks, { task } from 'fastify-async-tasks'
    import Fastify from 'fastify'
    const app = Fastify()
    const double = task('double', { run: 'thread', module: new URL('./double.js', import.meta.url) })()
    const { DATABASE_URL: connectionString } = process.env
    await app.register(asyncTasks, { connectionString, tasks: [double], routes: false })
    await app.ready()
    const { taskId } = await app.tasks.createTask(double, { value: 21 })
    console.log((await app.tasks.waitFor(taskId)).result)
    await app.close()`
  writeFileSync(path.join(host, 'thread.js'), code)
  const env = { PATH: process.env.PATH, DATABASE_URL: database.url }
  const { stdout } = await run(node, ['thread.js'], { cwd: host, env })
  expect(stdout).toBe('42\n')
}
