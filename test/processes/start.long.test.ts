import { expect, test } from 'vitest'
import { cloneProject, ServerProcess } from './server-process.ts'

test('a second start is ready within 5 s', async () => {
  const folder = cloneProject()
  const first = new ServerProcess(folder)
  await first.listening()
  first.npm.kill('SIGTERM')
  expect(await first.exitCode).toBe(0)

  const startedAt = performance.now()
  const second = new ServerProcess(folder)
  expect((await fetch(`${await second.listening()}/health/ready`)).status).toBe(200)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  second.npm.kill('SIGTERM')
  expect(await second.exitCode).toBe(0)
})
