import type { FastifyInstance, FastifyRequest } from 'fastify'
import { findChangedIntegers } from './changed-integers.ts'
import { HttpProblem, invalidJson } from './problems.ts'

const CHANGED_INTEGER =
  'is an integer that a number of JavaScript cannot keep: beyond 2^53 use a text, such as "9007199254740993"'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * JSON is the only body that this scope reads, whatever parsers the app around it has.
 *
 * Three differences from Fastify's own parser: no body is no error, because clients that always send
 * `Content-Type: application/json` also cancel and log out; and bytes that are not UTF-8 are refused instead of
 * being stored as replacement characters, integers that JavaScript cannot keep instead of being stored as others.
 */
export function readJsonBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes: Buffer, done) => {
    if (bytes.length === 0) return done(null, undefined)
    const text = decode(bytes)
    if (text === undefined) return done(invalidJson('the body is not UTF-8'), undefined)
    void parseJson(request as FastifyRequest, text, (error, body: unknown) => {
      const refused = error ?? findProblem(text)
      if (refused) done(refused, undefined)
      else done(null, body)
    })
  })
}

function findProblem(text: string): HttpProblem | undefined {
  const found = readAgain(text)
  if (found === undefined) return invalidJson('the body is nested too deeply')
  // A body that is a number as a whole is refused for being none of the objects that are expected.
  const pointers = found.filter((pointer) => pointer !== '')
  if (pointers.length === 0) return undefined
  const errors = pointers.map((pointer) => ({ pointer, detail: CHANGED_INTEGER }))
  const code = pointers.every((pointer) => pointer.startsWith('/params'))
    ? 'INVALID_PARAMS'
    : 'INVALID_REQUEST'
  return new HttpProblem(400, code, `${pointers[0]}: ${CHANGED_INTEGER}`, { errors })
}

/** Undefined where it is nested too deeply for that. */
function readAgain(text: string): string[] | undefined {
  try {
    return findChangedIntegers(text)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function decode(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    // The decoder says nothing but that.
    return undefined
  }
}
