import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { HttpProblem } from './problems.ts'

/** @throws HttpProblem 401 if the request does not carry this token */
export function requireBearer(request: FastifyRequest, token: string): void {
  if (hasBearer(request, token)) return
  throw new HttpProblem(401, 'UNAUTHENTICATED', 'this route needs its token: Authorization: Bearer …')
}

export function hasBearer(request: FastifyRequest, token: string): boolean {
  const [, given = ''] = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? []
  // Digests are of one length, so that the comparison takes the same time for any text.
  return timingSafeEqual(digest(given), digest(token))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
