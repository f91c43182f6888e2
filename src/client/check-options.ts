import { describeValue } from './describe-value.ts'
import { describeUnknownOptions } from './option-names.ts'

/** Zero would send requests without a pause, or end each before it was sent. */
const MILLISECONDS = ['timeoutMs', 'pollIntervalMs']

/** @throws TypeError for what is no object, has an option that does not exist, or a time that is none */
export function checkOptions(what: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(
      `${what}: options must be an object, got ${options === null ? 'null' : typeof options}`,
    )
  }
  const [unknown] = describeUnknownOptions(options, known)
  if (unknown !== undefined) throw new TypeError(`${what}: ${unknown}`)
  for (const name of MILLISECONDS) {
    const value: unknown = Reflect.get(options, name)
    if (value === undefined || (typeof value === 'number' && value > 0)) continue
    throw new TypeError(
      `${what}: ${name} must be a positive number of milliseconds, got ${describeValue(value)}`,
    )
  }
}
