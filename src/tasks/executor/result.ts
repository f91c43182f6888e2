import { PermanentError } from '../errors.ts'
import { describeError } from '../outcome.ts'

/**
 * A handler's result as JSON text; null when there is none.
 *
 * @throws PermanentError when it is not JSON, or too large: another attempt would return the same
 */
export function encodeResult(result: unknown, maxBytes: number): string | null {
  let text: string | undefined
  try {
    text = JSON.stringify(result)
  } catch (error) {
    throw new PermanentError(`INVALID_RESULT: the handler returned what is not JSON: ${describeError(error)}`)
  }
  if (text !== undefined && Buffer.byteLength(text) > maxBytes) {
    throw new PermanentError(`INVALID_RESULT: the result takes more than ${maxBytes} bytes of JSON`)
  }
  return text ?? null
}
