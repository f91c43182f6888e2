import { createTasksClient } from '../client/index.ts'
import { API } from './settings.ts'
import { noteServerTime } from './state/clock.ts'
import { bearerToken, connection, forgetSession, noteAccess } from './state/session.ts'
import { openWithPermit, refuseStream } from './state/stream-permits.ts'

/** A proxy whose server is away, or a server whose database is. */
const OUTAGES = new Set([502, 503, 504])

/** Every request passes here: whether the server can be reached, and whether anybody is logged in, shows at once. */
const watchedFetch: typeof fetch = async (input, init) => {
  let response: Response
  try {
    const isStream = new Headers(init?.headers).get('accept')?.startsWith('text/event-stream')
    const opened = isStream ? await openWithPermit(() => fetch(input, init)) : await fetch(input, init)
    if (!opened) return refuseStream()
    response = opened
  } catch (error) {
    if (!init?.signal?.aborted) connection.set('lost')
    throw error
  }
  noteServerTime(response.headers.get('date'))
  connection.set(OUTAGES.has(response.status) ? 'lost' : 'ok')
  if (response.status === 401) forgetSession()
  else if (response.ok) noteAccess()
  return response
}

export const client = createTasksClient({
  baseUrl: API,
  token: () => bearerToken() ?? undefined,
  fetch: watchedFetch,
})
