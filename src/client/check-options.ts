import { describeUnknownOptions } from './option-names.ts'

/** @throws TypeError for what is no object, or has an option that does not exist */
export function checkOptions(what: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(
      `${what}: options must be an object, got ${options === null ? 'null' : typeof options}`,
    )
  }
  const [unknown] = describeUnknownOptions(options, known)
  if (unknown !== undefined) throw new TypeError(`${what}: ${unknown}`)
}
