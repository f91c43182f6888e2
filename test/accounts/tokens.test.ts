import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ADMIN,
  type BundledServer,
  logIn,
  startBundledServer,
  USER,
  withToken,
} from '../http/bundled-server.ts'

const SECRET = 'a secret of more than 32 characters'
const URL = '/api/admin/auth/me'

let server: BundledServer
/** Of a session that goes on. */
let good: string
let claims: Record<string, unknown>

beforeAll(async () => {
  server = await startBundledServer({ env: { AUTH_SECRET: SECRET } })
  good = await logIn(server.app, ADMIN)
  claims = JSON.parse(Buffer.from(good.split('.')[1] ?? '', 'base64url').toString()) as typeof claims
})
afterAll(() => server.close())

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

function hmac(header: object, payload: unknown, { secret = SECRET, hash = 'sha256' } = {}): string {
  const signed = `${encode(header)}.${encode(payload)}`
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`
}

const HS256 = { alg: 'HS256', typ: 'JWT' }
const now = () => Math.floor(Date.now() / 1_000)

async function statusOf(token: string): Promise<number> {
  return (await server.app.inject(withToken({ url: URL }, token))).statusCode
}

test('a session is known by 192 random bits, other ones at each log-in', async () => {
  const numberOf = (token: string) =>
    (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }).jti
  const numbers = [good, await logIn(server.app, ADMIN), await logIn(server.app, ADMIN)].map(numberOf)
  for (const number of numbers) expect(number).toMatch(/^[\w-]{32}$/)
  expect(new Set(numbers).size).toBe(3)
})

test('a token signed here with the claims of a session is good', async () => {
  expect(await statusOf(good)).toBe(200)
  expect(await statusOf(hmac(HS256, claims))).toBe(200)
})

describe('no credential is a token', () => {
  const parts = () => good.split('.') as [string, string, string]

  test.each<[string, () => string]>([
    ['without a signature', () => `${parts().slice(0, 2).join('.')}.`],
    ['without a signature part', () => parts().slice(0, 2).join('.')],
    ...['none', 'None', 'NONE', 'nOnE', '', 'HS257', 'HS256\u0000'].flatMap(
      (alg): [string, () => string][] => [
        [
          `of the algorithm ${JSON.stringify(alg)}, unsigned`,
          () => `${encode({ alg, typ: 'JWT' })}.${parts()[1]}.`,
        ],
        [`of the algorithm ${JSON.stringify(alg)}, signed`, () => hmac({ alg, typ: 'JWT' }, claims)],
      ],
    ),
    ['without an algorithm', () => hmac({ typ: 'JWT' }, claims)],
    ['of HS384', () => hmac({ alg: 'HS384', typ: 'JWT' }, claims, { hash: 'sha384' })],
    ['of HS512', () => hmac({ alg: 'HS512', typ: 'JWT' }, claims, { hash: 'sha512' })],
    ['that says HS512 and is signed by HS256', () => hmac({ alg: 'HS512', typ: 'JWT' }, claims)],
    ['that says RS256 and is signed by HMAC', () => hmac({ alg: 'RS256', typ: 'JWT' }, claims)],
    [
      'of an RSA key that it names itself',
      () => {
        const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
        const header = { alg: 'RS256', typ: 'JWT', jwk: publicKey.export({ format: 'jwk' }) }
        const signed = `${encode(header)}.${encode(claims)}`
        return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`
      },
    ],
    ['signed by an empty secret', () => hmac(HS256, claims, { secret: '' })],
    ['signed by another secret', () => hmac(HS256, claims, { secret: `${SECRET}x` })],
    [
      'signed by a key file that it names',
      () => hmac({ ...HS256, kid: '../../dev/null' }, claims, { secret: '' }),
    ],
    [
      'signed by a key on a server that it names',
      () => hmac({ ...HS256, jku: 'http://127.0.0.1:1/' }, claims, { secret: 'x' }),
    ],
    [
      'with a critical header that nobody knows, unsigned',
      () => `${encode({ ...HS256, crit: ['x'], x: 1 })}.${parts()[1]}.`,
    ],
    ['that has expired', () => hmac(HS256, { ...claims, exp: now() - 1 })],
    ['that expired long ago', () => hmac(HS256, { ...claims, exp: 0 })],
    ['whose end is no number', () => hmac(HS256, { ...claims, exp: 'never' })],
    ['that is not valid yet', () => hmac(HS256, { ...claims, nbf: now() + 3_600 })],
    ['of a session that is none', () => hmac(HS256, { ...claims, jti: 'x'.repeat(32) })],
    ['of a session that is a pattern', () => hmac(HS256, { ...claims, jti: '%' })],
    ['of a session that is SQL', () => hmac(HS256, { ...claims, jti: `' or '1'='1` })],
    ['of a session with NUL', () => hmac(HS256, { ...claims, jti: 'a\u0000b' })],
    ['of a session that is no text', () => hmac(HS256, { ...claims, jti: { $ne: null } })],
    ['of no session', () => hmac(HS256, { sub: claims.sub, exp: claims.exp })],
    ['whose claims are a list', () => hmac(HS256, [claims])],
    ['whose claims are no JSON', () => `${parts()[0]}.e30x.${parts()[2]}`],
    [
      'whose claims were changed',
      () => `${parts()[0]}.${encode({ ...claims, role: 'admin' })}.${parts()[2]}`,
    ],
    ['whose signature was cut', () => good.slice(0, -2)],
    ['whose signature was lengthened', () => `${good}AA`],
    ['of four parts', () => `${good}.${parts()[2]}`],
    ['of five parts, as if it were encrypted', () => `${good}.x.y`],
    ['with a space', () => `${parts()[0]} .${parts()[1]}.${parts()[2]}`],
    ['that is the number of the session alone', () => String(claims.jti)],
    ['of 8,000 characters', () => `${good}${'A'.repeat(8_000)}`],
  ])('%s', async (_name, make) => {
    expect(await statusOf(make())).toBe(401)
  })

  test('that is anywhere but in the header or the cookie', async () => {
    for (const url of [
      `${URL}?token=${good}`,
      `${URL}?access_token=${good}`,
      `${URL}/${good}`,
      `${URL};jsessionid=${good}`,
    ]) {
      expect([400, 401, 404]).toContain((await server.app.inject({ url })).statusCode)
    }
    for (const headers of [
      { 'x-access-token': good },
      { authorization: good },
      { authorization: `Token ${good}` },
      { authorization: `Basic ${Buffer.from(`admin:${good}`).toString('base64')}` },
      { authorization: `Bearer x, Bearer ${good}` },
      { cookie: `session=${good}` },
      { cookie: `ASYNC_TASKS_SESSION=${good}` },
    ]) {
      expect((await server.app.inject({ url: URL, headers })).statusCode).toBe(401)
    }
  })
})

test('the role in a token counts for nothing', async () => {
  const token = await logIn(server.app, USER)
  const own = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as object
  for (const more of [{ role: 'admin' }, { sub: claims.sub }, { username: ADMIN.username }]) {
    const raised = hmac(HS256, { ...own, ...more })
    const url = '/api/admin/task-types/echo/pause'
    expect((await server.app.inject(withToken({ method: 'POST', url }, raised))).statusCode).toBe(403)
    const me = await server.app.inject(withToken({ url: URL }, raised))
    expect(me.json()).toMatchObject({ user: { username: USER.username } })
  }
})

test('a token is replayed in vain after its session has ended', async () => {
  const token = await logIn(server.app, ADMIN)
  const logout = await server.app.inject(withToken({ method: 'POST', url: '/api/admin/auth/logout' }, token))
  expect(logout.statusCode).toBe(204)
  expect(await statusOf(token)).toBe(401)
  const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    jti: string
  }
  expect(await statusOf(hmac(HS256, { ...claims, jti, exp: now() + 3_600 }))).toBe(401)
  expect(await statusOf(good)).toBe(200)
})
