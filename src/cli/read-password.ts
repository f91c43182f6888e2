import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { TaskError } from '../engine/definition/errors.ts'

const MAX_BYTES = 8_192

export type PasswordInput = AsyncIterable<Buffer | string> &
  NodeJS.ReadableStream & { readonly isTTY?: boolean | undefined }

/**
 * Asks for a new password on the terminal, twice and without showing it; or reads the first line of an input that is none.
 * Never from an argument: other users of the machine see those.
 *
 * @throws TaskError `INVALID_ARGUMENT`
 */
export async function readNewPassword(
  input: PasswordInput,
  show: (text: string) => void,
  signal: AbortSignal,
): Promise<string> {
  if (!input.isTTY) return readLine(input)
  const password = await ask(input, show, 'New password: ', signal)
  if (password !== (await ask(input, show, 'Again: ', signal)))
    throw new TaskError('INVALID_ARGUMENT', 'the two passwords differ')
  return password
}

async function ask(
  input: PasswordInput,
  show: (text: string) => void,
  question: string,
  signal: AbortSignal,
): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input, output: nowhere, terminal: true })
  // While a line is read, the terminal turns no key into a signal.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  const closed = once(terminal, 'close').then(() => {
    throw new TaskError('INVALID_ARGUMENT', 'no password was given')
  })
  show(question)
  try {
    // What was asked is refused for the end of the input too, but by Node 24 alone.
    const answered = terminal.question('', { signal }).catch((error: unknown) => {
      if (signal.aborted) throw error
      return closed
    })
    return await Promise.race([answered, closed])
  } finally {
    terminal.close()
    show('\n')
  }
}

async function readLine(input: PasswordInput): Promise<string> {
  let text = ''
  for await (const chunk of input) {
    text += chunk.toString()
    if (text.includes('\n') || text.length > MAX_BYTES) break
  }
  const [line = ''] = text.split(/\r?\n/, 1)
  if (line !== '') return line
  throw new TaskError(
    'INVALID_ARGUMENT',
    'the password is read from the terminal or the standard input, which is empty',
  )
}
