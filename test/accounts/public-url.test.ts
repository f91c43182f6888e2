import { describe, expect, onTestFinished, test } from 'vitest'
import { ADMIN, postLogin, startBundledServer } from '../http/bundled-server.ts'

async function start(PUBLIC_URL: string) {
  const server = await startBundledServer({ env: { PUBLIC_URL } })
  onTestFinished(() => server.close())
  const answer = await postLogin(server.app, ADMIN)
  const [cookie] = answer.cookies
  if (!cookie) throw new Error('there is no cookie')
  return { server, answer, cookie }
}

describe('the cookie of a log-in', () => {
  test.each([
    ['https://tasks.example', '__Host-async_tasks_session', '/', true, 'max-age=31536000'],
    [
      'https://tasks.example/ops/',
      '__Secure-async_tasks_session',
      '/ops/api/admin',
      true,
      'max-age=31536000',
    ],
    // Browsers would use HTTPS alone for the other ports of this host, too.
    ['https://tasks.example:8443', '__Host-async_tasks_session', '/', true, undefined],
    ['http://tasks.example/ops', 'async_tasks_session', '/ops/api/admin', undefined, undefined],
  ])('at %s is %s', async (url, name, path, secure, hsts) => {
    const { server, cookie, answer } = await start(url)
    expect(cookie).toMatchObject({ name, path, httpOnly: true, sameSite: 'Strict' })
    // It came over plain HTTP, as behind a proxy.
    expect(cookie.secure).toBe(secure)
    expect(answer.headers['strict-transport-security']).toBe(hsts)
    const cookies = { [name]: cookie.value }
    expect((await server.app.inject({ url: '/api/admin/tasks', cookies })).statusCode).toBe(200)
    const logOut = await server.app.inject({ method: 'POST', url: '/api/admin/auth/logout', cookies })
    expect(logOut.cookies).toMatchObject([{ name, path, value: '' }])
    expect(logOut.cookies[0]?.secure).toBe(secure)
  })
})

test('only pages of the public address may change something with the cookie', async () => {
  const { server, cookie } = await start('https://tasks.example')
  const pause = async (headers: Record<string, string>) => {
    const answer = await server.app.inject({
      method: 'POST',
      url: '/api/admin/task-types/init_stocks/pause',
      cookies: { [cookie.name]: cookie.value },
      headers: { host: 'internal:3000', ...headers },
    })
    return answer.statusCode
  }
  expect(await pause({ origin: 'https://tasks.example' })).toBe(200)
  expect(await pause({ 'sec-fetch-site': 'same-origin', origin: 'https://tasks.example' })).toBe(200)
  expect(await pause({})).toBe(200)
  for (const origin of ['http://tasks.example', 'http://internal:3000', 'https://evil.example', 'null'])
    expect(await pause({ origin })).toBe(403)
  expect(await pause({ 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' })).toBe(403)
  const change = await server.app.inject({
    method: 'DELETE',
    url: '/api/admin/auth/sessions',
    cookies: { [cookie.name]: cookie.value },
    headers: { host: 'internal:3000', origin: 'http://internal:3000' },
  })
  expect(change.json()).toMatchObject({ status: 403, code: 'FOREIGN_ORIGIN' })
})

test.each([
  ['https://tasks.example/ops/', '/ops/api/admin/tasks/'],
  ['https://tasks.example', '/api/admin/tasks/'],
])('at %s, the location of a new task begins with %s', async (url, path) => {
  const { server, cookie } = await start(url)
  const request = { url: '/api/admin/tasks', cookies: { [cookie.name]: cookie.value } }
  const created = await server.app.inject({
    ...request,
    method: 'POST',
    payload: { taskType: 'init_stocks', params: {} },
  })
  expect(created.statusCode).toBe(201)
  expect(created.headers.location).toBe(`${path}${created.json().taskId}`)
  const page = await server.app.inject('/admin')
  expect(page.headers.location).toBe('admin/')
})
