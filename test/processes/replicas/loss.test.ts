import { expect, onTestFinished, test } from 'vitest'
import { judgeBars } from '../../../src/market/bars.ts'
import { createSampleSource } from '../../../src/market/sources/sample.ts'
import { recordingCall } from '../../market/support/scripted-source.ts'
import { createTestDatabase } from '../../support/database.ts'
import { loseOne } from './lose-one.ts'
import { startProcesses } from './replicas.ts'

/** How many bars each trading day of these years has. */
async function countBars(from: string, to: string): Promise<{ day: string; bars: number }[]> {
  const call = recordingCall()
  const source = createSampleSource()
  const days = (await source.calendar(from, to, call)).filter(({ isOpen }) => isOpen)
  return Promise.all(
    days.map(async ({ day }) => ({
      day,
      bars: judgeBars(await source.dailyBars(day, call), day).bars.length,
    })),
  )
}

test('two replicas survive the loss of one under load', async () => {
  const database = await createTestDatabase('empty')
  onTestFinished(() => database.drop())
  // Shorter than the default, and long enough for a replica that is left on a busy machine.
  const lease = { TASK_LEASE_MS: '10000', TASK_HEARTBEAT_INTERVAL_MS: '1000' }
  const replicas = await startProcesses(database.directUrl, lease)
  onTestFinished(() => replicas.stop())
  const loss = await loseOne(replicas)
  console.log(loss)
  expect(loss.unansweredCreates).toBeGreaterThan(0)
  expect(loss.answers).toBeGreaterThan(10)
  const { rows } = await database.pool.query(
    'select date::text as day, count(*)::int as bars from daily_market_data group by date order by date',
  )
  expect(rows).toEqual(await countBars('2020-01-01', '2021-12-31'))
})
