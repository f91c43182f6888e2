import type { Replica } from './replicas.ts'

/** The REST interface of one replica. Every answer but one of success is thrown as an error. */
export interface Api {
  get<T>(route: string): Promise<T>
  post<T>(route: string, body: object): Promise<T>
  ready(): Promise<void>
}

const PATIENCE_MS = 10_000

export async function logIn({ address }: Replica, password: string): Promise<Api> {
  const send = async (path: string, headers: Record<string, string>, body?: object) => {
    const response = await fetch(`${address}/${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
    return JSON.parse(text)
  }
  const { token } = await send('api/admin/auth/login', {}, { username: 'admin', password })
  const headers = { authorization: `Bearer ${token}` }
  return {
    get: (route) => send(`api/admin/${route}`, headers),
    post: (route, body) => send(`api/admin/${route}`, headers, body),
    ready: () => send('health/ready', {}),
  }
}
