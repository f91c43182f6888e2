/**
 * A browser opens six connections to a server over HTTP/1.1, for all its windows together. Streams take four of them at
 * most; a window that gets none polls until its client tries again.
 */
const PERMITS = 4

/** As from a server that has no room for a stream: the client polls for a while. */
export function refuseStream(): Response {
  const problem = {
    type: 'about:blank',
    title: 'Too many streams',
    status: 429,
    code: 'TOO_MANY_STREAMS',
    detail: 'other windows of this browser have all connections that streams may take',
  }
  return Response.json(problem, { status: 429, headers: { 'content-type': 'application/problem+json' } })
}

/** Opens a stream within the permits that the windows of this browser share; undefined where none is left. */
export async function openWithPermit(open: () => Promise<Response>): Promise<Response | undefined> {
  const release = await takePermit()
  if (!release) return undefined
  try {
    const response = await open()
    if (!response.body) {
      release()
      return response
    }
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    // It ends with the stream, when the reader has gone, and when the connection breaks: the reader is notified.
    response.body.pipeTo(writable).then(release, release)
    return new Response(readable, response)
  } catch (error) {
    release()
    throw error
  }
}

/** Undefined where all are taken. Pages over plain HTTP have no locks: there each window counts for itself. */
async function takePermit(): Promise<(() => void) | undefined> {
  if (!navigator.locks) return () => {}
  for (let number = 1; number <= PERMITS; number += 1) {
    const release = await tryLock(`tasks stream ${number}`)
    if (release) return release
  }
  return undefined
}

function tryLock(name: string): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(name, { ifAvailable: true }, (lock) => {
        if (!lock) return resolve(undefined)
        return new Promise<void>((release) => resolve(release))
      })
      .catch(reject)
  })
}
