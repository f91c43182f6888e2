import type { IncomingMessage, ServerResponse } from 'node:http'

/** What a server does with a request while it misbehaves. `isStream`: the request is for an event stream. */
export type BadAnswer = (
  request: { isStream: boolean; count: number; socket: IncomingMessage['socket'] },
  response: ServerResponse,
) => 'done' | 'as usual'

const plain =
  (status: number, headers: Record<string, string> = {}, body = `<html>${status}</html>`): BadAnswer =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'text/html', ...headers })
    response.end(body)
    return 'done'
  }

/** Only streams misbehave: plain calls are answered as usual. */
const stream =
  (write: (response: ServerResponse) => void): BadAnswer =>
  ({ isStream }, response) => {
    if (!isStream) return 'as usual'
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write(response)
    return 'done'
  }

/** Every call is answered with this JSON. */
const json = (text: string): BadAnswer => plain(200, { 'content-type': 'application/json' }, text)

export const BAD_ANSWERS: Readonly<Record<string, BadAnswer>> = {
  'a server error': plain(500),
  'a bad gateway': plain(502),
  'a gateway time-out': plain(504),
  'a wait of thirty days': plain(503, { 'retry-after': '2592000' }),
  'a wait that overflows': plain(503, { 'retry-after': '99999999999999999999' }),
  'a wait until next year': plain(503, { 'retry-after': 'Wed, 01 Dec 2027 00:00:00 GMT' }),
  'a wait until last year': plain(503, { 'retry-after': 'Mon, 01 Dec 2025 00:00:00 GMT' }),
  'a wait that is none': plain(503, { 'retry-after': 'soon' }),
  'no wait at all': plain(429, { 'retry-after': '0' }),
  "a proxy's 404": plain(404),
  "a proxy's 400": plain(400),
  "a proxy's 405": plain(405),
  'a conflict': plain(409),
  'a redirect to nowhere': plain(302, { location: 'http://127.0.0.1:1/' }),
  'a page of HTML': plain(200),
  'no content': plain(204, {}, ''),
  'an empty body': json(''),
  'half of the JSON': json('{"taskId":"task_1","sta'),
  'JSON of another shape': json('[]'),
  'JSON null': json('null'),
  'a reset connection': ({ socket }) => {
    socket.resetAndDestroy()
    return 'done'
  },
  'no answer': () => 'done',
  'streams that end after their headers': stream((response) => void response.end()),
  'streams that end after a comment': stream((response) => void response.end(': hello\n\n')),
  'streams that ask for a wait of thirty days': stream(
    (response) => void response.end('retry: 2592000000\n\n'),
  ),
  'streams that ask for no wait': stream((response) => void response.end('retry: 0\n\n: x\n\n')),
  'streams of headers alone': stream((response) => response.flushHeaders()),
  'streams that are no JSON': stream((response) => void response.end('event: task\ndata: <html>\n\n')),
  'streams of another shape': stream((response) => void response.end('event: task\ndata: null\n\n')),
  'streams cut within an event': stream((response) => {
    response.write('event: task\ndata: {"taskId":')
    setImmediate(() => response.destroy())
  }),
  'streams of another type': ({ isStream }, response) =>
    isStream
      ? plain(200, {}, 'hello')({ isStream, count: 0, socket: response.socket as never }, response)
      : 'as usual',
  'good and bad answers in turn': ({ isStream, count }, response) =>
    isStream || count % 2 === 0
      ? plain(503)({ isStream, count, socket: response.socket as never }, response)
      : 'as usual',
}
