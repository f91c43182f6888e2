import { codeOf } from '../db/errors.ts'
import { reasonOf } from '../engine/definition/outcome.ts'
import { type Hide, readThrown } from '../engine/definition/thrown.ts'

const MAX_MESSAGE_CHARS = 2_000
/** With its first line, which is the message once more. */
const MAX_STACK_CHARS = 8_000

/** An error for the log: its words and where it was thrown, not what it may carry beside them. */
export function described(error: unknown, hide?: Hide) {
  const { name, message, stack, ...rest } = readThrown(error, hide)
  const code = codeOf(error)
  if (name === undefined) return { error: message.slice(0, MAX_MESSAGE_CHARS) }
  return {
    error: {
      name,
      message: reasonOf({ name, message, ...rest }).slice(0, MAX_MESSAGE_CHARS),
      code: code === undefined ? undefined : (hide?.text(code) ?? code),
      stack: stack?.slice(0, MAX_STACK_CHARS),
    },
  }
}
