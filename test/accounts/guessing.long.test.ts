import { describe, expect, test } from 'vitest'
import { ADMIN } from '../http/bundled-server.ts'
import { addresses, guess, guessInTurn, logIn, server, statuses, useServer } from './guesses.ts'

useServer()

// Each password that is checked costs a tenth of a second of computing.
describe('guesses at one account, many of them checked', () => {
  test('other spellings of the name count with it, and names that do not exist count alike', async () => {
    const spellings = ['admin', 'ADMIN', 'Admin', 'ａｄｍｉｎ']
    const answers = []
    for (const [index, address] of addresses(24).entries()) {
      answers.push(await guess(address, spellings[index % spellings.length]))
    }
    expect(statuses(answers)).toEqual({ 401: 20, 429: 4 })
    expect(await guessInTurn(24, 11, 'no-such-user')).toEqual({ 401: 20, 429: 4 })
    const [known, unknown] = [await guess('12.0.0.1'), await guess('12.0.0.1', 'no-such-user')]
    expect(unknown.json()).toEqual(known.json())
  })

  test('right passwords from ever new places are not slowed down', async () => {
    for (const address of addresses(30, 14)) expect((await logIn(ADMIN, address)).statusCode).toBe(200)
    const { rows } = await server.database.pool.query(
      'select user_id, count(*)::int from login_networks group by 1',
    )
    for (const { count } of rows) expect(count).toBeLessThanOrEqual(20)
  })
})
