import { expect, test } from 'vitest'
import { useEngines } from '../../support/engines.ts'
import { countClaims, PATIENCE } from './start-fleet.ts'

const engines = useEngines()

test('thirty executors claim three times at most for each created task', PATIENCE, async () => {
  const claims = await countClaims(engines, 30, 50)
  console.log(`${claims} claims of 50 tasks by 30 executors`)
  expect(claims).toBeLessThanOrEqual(3 * 50)
})
