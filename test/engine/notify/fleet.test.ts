import { describe, expect, test } from 'vitest'
import { useEngines } from '../../support/engines.ts'
import { countClaims, PATIENCE, startFleet } from './start-fleet.ts'

const engines = useEngines()
const SIZE = 12

describe('a fleet', () => {
  test('claims a few times for each created task, not once an executor', PATIENCE, async () => {
    expect(await countClaims(engines, SIZE, 20)).toBeLessThanOrEqual(3 * 20)
  })

  test('fills all of its slots with a burst', PATIENCE, async () => {
    const { creator, gate } = await startFleet(engines, SIZE)
    const burst = Array.from({ length: 2 * SIZE }, () => ({ task: 'long' }))
    await creator.manager.createTasks(burst)
    const { pool } = engines.database
    const countRunning = async () =>
      (await pool.query(`select from async_tasks where status = 'running'`)).rowCount
    await expect.poll(countRunning, PATIENCE).toBe(burst.length)
    gate.open()
  })

  test('fills all of its slots with tasks that are created one by one', PATIENCE, async () => {
    const { creator, gate } = await startFleet(engines, SIZE)
    const all = 2 * SIZE
    for (let i = 0; i < 4 * all; i += 1) await creator.manager.createTask('long')
    const { pool } = engines.database
    const countRunning = async () =>
      (await pool.query(`select from async_tasks where status = 'running'`)).rowCount
    await expect.poll(countRunning, PATIENCE).toBe(all)
    gate.open()
  })
})
