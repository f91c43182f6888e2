import { describe, expect, test } from 'vitest'
import { ADMIN, addUser } from '../http/bundled-server.ts'
import { addresses, guess, guessInTurn, HOME, logIn, server, statuses, useServer } from './guesses.ts'

useServer('real')

// Each password that is checked costs a tenth of a second of computing.
describe('guesses at one account, many of them', () => {
  test('10,000 at once: few are checked, and the owner logs in from where they have been', async () => {
    const guesses = Promise.all(addresses(10_000).map((address) => guess(address)))
    const home = await logIn(ADMIN, HOME)
    expect(home.statusCode).toBe(200)
    const counts = statuses(await guesses)
    expect(counts[401] ?? 0).toBeGreaterThan(0)
    expect(counts[401]).toBeLessThanOrEqual(20)
    expect((counts[401] ?? 0) + (counts[429] ?? 0)).toBe(10_000)
    // The owner is not slowed after it either, from any place of the same network.
    expect((await logIn(ADMIN, HOME)).statusCode).toBe(200)
  })

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

describe('120 wrong log-ins at once from one address, each with another name', () => {
  test('keep nobody else out, be they known or new', async () => {
    await addUser(server.database, { username: 'new', password: 'never seen before' }, 'user')
    const crowd = Promise.all(
      Array.from({ length: 120 }, (_, index) => guess('198.51.100.9', `crowd-${index}`)),
    )
    let isOver = false
    void crowd.then(() => {
      isOver = true
    })
    const known = await logIn(ADMIN, HOME)
    const fresh = await logIn({ username: 'new', password: 'never seen before' }, '198.51.100.10')
    expect([known.statusCode, fresh.statusCode]).toEqual([200, 200])
    // Both were checked in between, not behind.
    expect(isOver).toBe(false)
    const counts = statuses(await crowd)
    expect((counts[401] ?? 0) + (counts[429] ?? 0)).toBe(120)
  })
})
