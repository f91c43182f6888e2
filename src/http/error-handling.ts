import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import { isInstance } from '../engine/definition/thrown.ts'
import { described } from '../telemetry/described.ts'
import { HttpProblem, makeProblem, nameStatus, toProblem } from './problems.ts'

const MEDIA_TYPE = 'application/problem+json'

/** An open transaction was in the way: a retry may succeed. */
const TRY_AGAIN: ReadonlySet<string> = new Set([
  'TASK_BUSY',
  'CANCEL_PENDING',
  'TASK_TYPE_BUSY',
  'SCHEDULE_BUSY',
  'UNIQUE_KEY_BUSY',
])

/** Responds with problem details; logs server errors. */
export function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = toProblem(error)
  const known = isInstance(error, HttpProblem) ? error : undefined
  if (problem.status >= 500 && !known?.isLogged) request.log.error(described(error), 'request failed')
  if (known) reply.headers(known.headers)
  if (TRY_AGAIN.has(problem.code)) reply.header('retry-after', '1')
  // A hook of the host may have set its own challenge.
  if (problem.status === 401 && !reply.hasHeader('www-authenticate')) {
    reply.header('www-authenticate', 'Bearer')
  }
  // Bypasses the route's response schema.
  return reply.code(problem.status).type(MEDIA_TYPE).serializer(JSON.stringify).send(problem)
}

export function handleNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return handleError(
    new HttpProblem(404, 'NOT_FOUND', `no route ${request.method} ${request.url}`),
    request,
    reply,
  )
}

/** For errors before routing, such as an invalid URL. */
export const handleFrameworkError: NonNullable<FastifyServerOptions['frameworkErrors']> = (
  error,
  request,
  reply,
) => {
  handleError(error, request as FastifyRequest, reply as unknown as FastifyReply)
}

const SOCKET_ERROR_STATUS: Record<string, number> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
}

/** For bytes that are not HTTP, or late: there is only a socket. */
export function handleClientError(error: FastifyError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  if (socket.writable) {
    const status = SOCKET_ERROR_STATUS[error.code] ?? 400
    const body = JSON.stringify(makeProblem(status, nameStatus(status), 'the request could not be read'))
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: ${MEDIA_TYPE}\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    )
  }
  socket.destroy(error)
}
