import { PermanentError } from '../../definition/errors.ts'
import { describeError } from '../../definition/outcome.ts'
import { showJson } from '../../definition/params.ts'
import type { Scrubber } from '../../definition/scrubber.ts'
import { type Loss, serialize } from '../../definition/serialize.ts'
import { describeStep } from '../../definition/steps.ts'

const MAX_LOSSES = 5

/**
 * `warn` reports values that JSON loses. `step`: the name of the step that returned it. Default: the handler did.
 *
 * @throws PermanentError if it is not JSON or too large
 */
export function encodeResult(
  result: unknown,
  maxBytes: number,
  warn: (line: string) => void,
  step?: string,
): string | null {
  if (result === undefined) return null
  const losses: Loss[] = []
  let text: string | undefined
  try {
    text = serialize(result, (loss) => {
      if (losses.length <= MAX_LOSSES) losses.push(loss)
    })
  } catch (error) {
    const who = step === undefined ? 'the handler' : describeStep(step)
    throw new PermanentError(`INVALID_RESULT: ${who} returned what is not JSON: ${describeError(error)}`)
  }
  const bytes = text === undefined ? 0 : Buffer.byteLength(text)
  if (bytes > maxBytes) {
    throw new PermanentError(
      `INVALID_RESULT: the ${nameResult(step)} takes ${bytes} bytes of JSON, at most ${maxBytes}`,
    )
  }
  if (losses.length > 0) warn(`the ${nameResult(step)} holds what JSON cannot: ${list(losses)}`)
  return text ?? null
}

export function showResult(text: string | null, scrubber: Scrubber | undefined): unknown {
  if (text === null) return null
  const result = showJson(text)
  return scrubber ? scrubber.values(result) : result
}

function nameResult(step: string | undefined): string {
  return step === undefined ? 'result' : `result of ${describeStep(step)}`
}

function list(losses: readonly Loss[]): string {
  const named = losses.slice(0, MAX_LOSSES).map(({ pointer, what }) => `${pointer || 'it'} is ${what}`)
  return [...named, ...(losses.length > MAX_LOSSES ? ['and more'] : [])].join('; ')
}
