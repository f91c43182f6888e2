import { describeValue } from '../../client/describe-value.ts'

const MAX_INTEGER = 2_147_483_647

/** @throws TypeError if the number does not fit a progress column */
export function checkCount(name: 'current' | 'total', value: number): void {
  if (typeof value === 'number' && value >= 0 && value <= MAX_INTEGER) return
  throw new TypeError(
    `progress(): ${name} must be a number from 0 to ${MAX_INTEGER}, got ${describeValue(value)}`,
  )
}
