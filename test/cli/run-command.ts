import { Readable } from 'node:stream'
import { createProgram, runCommandLine } from '../../src/cli/command-line.ts'
import type { TestDatabase } from '../support/database.ts'

export interface CommandResult {
  readonly code: number
  readonly out: string
  readonly err: string
}

export type RunCommand = (...args: string[]) => Promise<CommandResult>

/** Runs the package's command in this process, on a test's database. */
export function commandOn(
  database: Pick<TestDatabase, 'url' | 'directUrl' | 'schema'>,
  { signal = new AbortController().signal, onOut = (_text: string) => {}, env = {}, input = '' } = {},
): RunCommand {
  return async (...args) => {
    let out = ''
    let err = ''
    const code = await runCommandLine([...args, '--schema', database.schema.name], {
      env: { DATABASE_URL: database.url, DATABASE_DIRECT_URL: database.directUrl, ...env },
      user: 'ada',
      signal,
      input: Readable.from([input]),
      out(text) {
        out += text
        onOut(text)
      },
      err(text) {
        err += text
      },
    })
    return { code, out, err }
  }
}

/** The commands with their options and help, to look at. */
export const program = createProgram({
  ...{
    env: {},
    user: 'ada',
    signal: new AbortController().signal,
    exitCode: 0,
    input: Readable.from([]),
    out() {},
    err() {},
  },
})

/** What `--json` printed. */
export function jsonOf({ code, out, err }: CommandResult) {
  if (out === '') throw new Error(`printed nothing, ended with ${code}: ${err}`)
  return JSON.parse(out)
}
