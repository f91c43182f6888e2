import type { FastifyInstance, FastifyRequest } from 'fastify'
import { CHANGED_INTEGER, findChangedIntegers } from '../engine/definition/changed-integers.ts'
import { HttpProblem, invalidJson } from './problems.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Parses JSON bodies in place of the host's parsers. Unlike Fastify's parser it accepts an empty body (clients send the
 * header with every request) and refuses bytes that are not UTF-8 and integers that a number cannot hold, instead of
 * storing other values.
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
  // A bare number is refused as no object anyway.
  const pointers = found.filter((pointer) => pointer !== '')
  if (pointers.length === 0) return undefined
  const errors = pointers.map((pointer) => ({ pointer, detail: CHANGED_INTEGER }))
  const code = pointers.every((pointer) => pointer.startsWith('/params'))
    ? 'INVALID_PARAMS'
    : 'INVALID_REQUEST'
  return new HttpProblem(400, code, `${pointers[0]}: ${CHANGED_INTEGER}`, { errors })
}

/** Undefined: nested too deeply. */
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
    return undefined
  }
}
