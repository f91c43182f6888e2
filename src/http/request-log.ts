import type { FastifyRequest } from 'fastify'

/** What a log line contains of a request: of the query only that there is one, since people put secrets there. */
export const serializers = {
  req(request: FastifyRequest) {
    const [path = '', query] = request.url.split(/\?(.*)/s)
    return {
      method: request.method,
      url: query === undefined ? path : `${path}?…`,
      host: request.host,
      remoteAddress: request.ip,
      remotePort: request.socket.remotePort ?? 0,
    }
  },
}
