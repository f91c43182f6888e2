#!/usr/bin/env node
import { userInfo } from 'node:os'
import { requireNode } from '../version.ts'
import { runCommandLine } from './command-line.ts'

function nameUser(): string {
  try {
    return userInfo().username
  } catch {
    // A container's user need not have a name.
    return String(process.getuid?.() ?? 'unknown')
  }
}

/** A reader such as `head` has seen enough; with any other error the output is lost. */
function endOutput(error: NodeJS.ErrnoException): never {
  if (error.code === 'EPIPE') process.exit(0)
  console.error(`FAILED: the output cannot be written: ${error.message}`)
  process.exit(1)
}

/** The command of the package. The first signal ends what it waits for, a second one the process. */
async function main(): Promise<void> {
  requireNode()
  const interrupted = new AbortController()
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => interrupted.abort(code))
  }
  process.stdout.on('error', endOutput)
  // Nobody reads why it fails: the exit code tells that it does.
  process.stderr.on('error', () => {})
  const exitCode = await runCommandLine(process.argv.slice(2), {
    env: process.env,
    user: nameUser(),
    signal: interrupted.signal,
    input: process.stdin,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  })
  process.exitCode = interrupted.signal.aborted ? Number(interrupted.signal.reason) : exitCode
}

try {
  await main()
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
