import { expect, onTestFinished, test } from 'vitest'
import { addUser, type BundledServer, logIn, startBundledServer } from '../http/bundled-server.ts'
import { openEvents } from '../support/event-source.ts'

const PASSWORD = 'the password of all'
const LIMIT_MS = 15_000

async function openStream(server: BundledServer, address: string, username: string) {
  await addUser(server.database, { username, password: PASSWORD }, 'viewer')
  const headers = { authorization: `Bearer ${await logIn(server.app, { username, password: PASSWORD })}` }
  const stream = await openEvents(`${address}/tasks/events`, headers)
  expect(stream.response.status).toBe(200)
  let isOpen = true
  const ended = stream.rest().then(
    () => {
      isOpen = false
    },
    // Closed by the test.
    () => undefined,
  )
  return { headers, ended, isOpen: () => isOpen, close: () => stream.close() }
}

test('streams end within 15 s of their session or role, and no others', async () => {
  const server = await startBundledServer()
  const address = `${await server.app.listen({ port: 0, host: '127.0.0.1' })}/api/admin`
  const open = (username: string) => openStream(server, address, username)
  const call = async (method: string, path: string, headers: object, body?: object) => {
    const type = body && { 'content-type': 'application/json' }
    const response = await fetch(address + path, {
      method,
      headers: { ...headers, ...type },
      ...(body && { body: JSON.stringify(body) }),
    })
    expect(response.status).toBeLessThan(300)
  }
  const [leaves, everywhere, resets, disabled, promoted, stays] = await Promise.all(
    ['leaves', 'everywhere', 'resets', 'disabled', 'promoted', 'stays'].map(open),
  )
  if (!leaves || !everywhere || !resets || !disabled || !promoted || !stays) throw new Error('no streams')
  onTestFinished(async () => {
    await stays.close()
    await server.close()
  })
  const asAdmin = (username: string, payload: object) =>
    server.asAdmin({ method: 'PATCH', url: `/api/admin/auth/users/id-of-${username}`, payload })
  await call('POST', '/auth/logout', leaves.headers)
  await call('DELETE', '/auth/sessions', everywhere.headers)
  await asAdmin('resets', { password: 'another password of it' })
  await asAdmin('disabled', { disabled: true })
  await asAdmin('promoted', { role: 'admin' })
  const { rows: aged } = await server.database.pool.query(
    `update sessions set last_used_at = now() - interval '5 minutes' where user_id = 'id-of-stays' returning last_used_at`,
  )
  const startedAt = performance.now()
  await Promise.all([leaves, everywhere, resets, disabled, promoted].map(({ ended }) => ended))
  expect(performance.now() - startedAt).toBeLessThan(LIMIT_MS)
  expect(stays.isOpen()).toBe(true)
  // A stream alone does not keep its session.
  const { rows } = await server.database.pool.query(
    `select last_used_at from sessions where user_id = 'id-of-stays'`,
  )
  expect(rows).toEqual(aged)
}, 60_000)
