import assert from 'node:assert/strict'

const { DATABASE_URL } = process.env
assert(DATABASE_URL, 'DATABASE_URL names the database')
export const connectionString = DATABASE_URL

/** Says what the project has just asserted. */
export function show(what: string): void {
  console.log(what)
}

/** Whether two types are one and the same. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** For the compiler, which refuses anything but true. */
export function isTrue<_Is extends true>(): void {}
