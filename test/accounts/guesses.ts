import type { LightMyRequestResponse } from 'fastify'
import { afterEach, beforeEach, expect } from 'vitest'
import { GUESSES, hashName } from '../../src/accounts/password-check.ts'
import { takeGuess } from '../../src/accounts/store/logins.ts'
import { ADMIN, type BundledServer, startBundledServer } from '../http/bundled-server.ts'

export const HOME = '203.0.113.7'
export let server: BundledServer

/** Starts a server for each test of the file, at which the admin has logged in from `HOME`. */
export function useServer(hashes: 'cheap' | 'real' = 'cheap'): void {
  beforeEach(async () => {
    server = await startBundledServer({ env: { TRUST_PROXY: '1' }, hashes })
    expect((await logIn(ADMIN, HOME)).statusCode).toBe(200)
  })
  afterEach(() => server.close())
}

export const logIn = (payload: { username: string; password: string }, from: string, app = server.app) =>
  app.inject({
    method: 'POST',
    url: '/api/admin/auth/login',
    payload,
    headers: { 'x-forwarded-for': from },
  })
export const guess = (from: string, username = 'admin', app = server.app) =>
  logIn({ username, password: `guess from ${from}` }, from, app)

/** As many addresses as there are; the last octets differ. */
export const addresses = (count: number, first = 10) =>
  Array.from({ length: count }, (_, index) => `${first}.${index >> 16}.${(index >> 8) & 255}.${index & 255}`)
export const statuses = (answers: readonly LightMyRequestResponse[]) => {
  const counts: Record<number, number> = {}
  for (const { statusCode } of answers) counts[statusCode] = (counts[statusCode] ?? 0) + 1
  return counts
}
/** Moves the guesses into the past, as if so much time had gone by. */
export const letPass = (seconds: number) =>
  server.database.pool.query(`update login_guesses set free_at = free_at - $1 * interval '1 second'`, [
    seconds,
  ])

/** Takes every free guess at the admin without hashing a password for each. */
export async function exhaust(): Promise<number> {
  let taken = 0
  while (await takeGuess(server.database.pool, hashName('admin'), GUESSES)) taken++
  return taken
}

export async function guessInTurn(count: number, first: number, username = 'admin', app = server.app) {
  const answers = []
  for (const address of addresses(count, first)) answers.push(await guess(address, username, app))
  return statuses(answers)
}
