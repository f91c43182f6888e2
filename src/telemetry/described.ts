import { codeOf } from '../db/errors.ts'
import { reasonOf } from '../engine/definition/outcome.ts'
import { type Hide, readThrown } from '../engine/definition/thrown.ts'

const MAX_MESSAGE_CHARS = 2_000
/** Includes the message, which is its first line. */
const MAX_STACK_CHARS = 8_000

/** Message and stack of an error, without its other properties. */
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
