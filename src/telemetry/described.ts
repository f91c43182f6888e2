import { codeOf } from '../db/errors.ts'
import { withoutStatement } from '../db/statement-error.ts'

const MAX_MESSAGE_CHARS = 2_000
/** With its first line, which is the message once more. */
const MAX_STACK_CHARS = 8_000

/** An error for the log: its words and where it was thrown, not what it may carry beside them. */
export function described(error: unknown) {
  const reason = withoutStatement(error)
  if (!(reason instanceof Error)) return { error: String(reason).slice(0, MAX_MESSAGE_CHARS) }
  return {
    error: {
      name: reason.name,
      message: innermost(reason).message.slice(0, MAX_MESSAGE_CHARS),
      code: codeOf(reason),
      stack: reason.stack?.slice(0, MAX_STACK_CHARS),
    },
  }
}

function innermost(error: Error): Error {
  return error.cause instanceof Error ? innermost(error.cause) : error
}
