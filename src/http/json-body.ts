import type { FastifyInstance, FastifyRequest } from 'fastify'
import { invalidJson } from './problems.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * JSON is the only body that this scope reads, whatever parsers the app around it has.
 *
 * Two differences from Fastify's own parser: no body is no error, because clients that always send
 * `Content-Type: application/json` also cancel and log out; and bytes that are not UTF-8 are refused instead of
 * being stored as replacement characters.
 */
export function readJsonBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes: Buffer, done) => {
    if (bytes.length === 0) return done(null, undefined)
    const text = decode(bytes)
    if (text === undefined) return done(invalidJson('the body is not UTF-8'), undefined)
    void parseJson(request as FastifyRequest, text, done)
  })
}

function decode(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    // The decoder says nothing but that.
    return undefined
  }
}
