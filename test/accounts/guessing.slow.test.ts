import { describe, expect, test } from 'vitest'
import { buildApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import { ADMIN, USER } from '../http/bundled-server.ts'
import { exhaust, guess, guessInTurn, HOME, letPass, logIn, server, useServer } from './guesses.ts'

useServer()

describe('guesses at one account from ever other addresses', () => {
  test('at most 100 of an hour are checked, however they are spread, and the next in 45 s', async () => {
    let checked = await exhaust()
    expect(checked).toBe(20)
    const refused = await guess('11.0.0.1')
    expect(refused.json()).toMatchObject({ status: 429, code: 'TOO_MANY_FAILURES' })
    expect(refused.headers['retry-after']).toBe('45')
    for (let step = 1; step <= 120; step++) {
      await letPass(30)
      checked += await exhaust()
    }
    expect(checked).toBeGreaterThan(95)
    // One more for each 45 s that the test itself may have taken.
    expect(checked).toBeLessThanOrEqual(103)
    await letPass(44 * 60)
    expect(await exhaust()).toBeLessThanOrEqual(21)
  })

  test('other processes and restarts go on counting', async () => {
    await guessInTurn(12, 10)
    const config = parseConfig({ LOG_LEVEL: 'silent', TRUST_PROXY: '1', ADMIN_PASSWORD: ADMIN.password })
    const other = await buildApp(config, { databaseUrl: server.database.url })
    try {
      expect((await guessInTurn(12, 12, 'admin', other))[401]).toBe(8)
      expect((await logIn(ADMIN, HOME, other)).statusCode).toBe(200)
    } finally {
      await other.close()
    }
  })

  test('do not slow down other accounts', async () => {
    await exhaust()
    expect((await logIn(USER, '198.51.100.1')).statusCode).toBe(200)
  })

  test('a log-in from a new place succeeds once a guess is free, and makes it a known one', async () => {
    await exhaust()
    expect((await logIn(ADMIN, '198.51.100.1')).statusCode).toBe(429)
    await letPass(60)
    expect((await logIn(ADMIN, '198.51.100.1')).statusCode).toBe(200)
    // It was no guess: the free one is still there.
    expect(await guessInTurn(2, 13)).toEqual({ 401: 1, 429: 1 })
    expect((await logIn(ADMIN, '198.51.100.1')).statusCode).toBe(200)
  })

  test('a clock of the database that was set back locks nobody out', async () => {
    await exhaust()
    await letPass(-3_600)
    await exhaust()
    await letPass(60)
    expect((await logIn(ADMIN, '198.51.100.1')).statusCode).toBe(200)
  })

  test('rows of names that are not guessed at any more are removed', async () => {
    await server.database.pool.query(
      `insert into login_guesses select 'old-' || n, now() - interval '1 minute' from generate_series(1, 150) n`,
    )
    await guess('10.0.0.1', 'one')
    await guess('10.0.0.2', 'two')
    const { rows } = await server.database.pool.query('select count(*)::int from login_guesses')
    expect(rows[0].count).toBe(2)
  })
})
