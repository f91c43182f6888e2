import { scryptSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { generatePassword, hashPassword, verifyNobody, verifyPassword } from '../../src/accounts/passwords.ts'

test('a hash knows its password and no other', async () => {
  const stored = await hashPassword('Grüße 你好')
  expect(stored).toMatch(/^\$scrypt\$ln=15,r=8,p=3\$[\w+/]{22}\$[\w+/]{43}$/)
  expect(await verifyPassword('Grüße 你好', stored)).toBe(true)
  // The same letters, typed on a keyboard that composes them otherwise.
  expect(await verifyPassword('Grüße 你好'.normalize('NFD'), stored)).toBe(true)
  expect(await verifyPassword('grüße 你好', stored)).toBe(false)
  expect(await verifyPassword('', stored)).toBe(false)
})

test('two hashes of one password differ', async () => {
  expect(await hashPassword('same')).not.toBe(await hashPassword('same'))
})

test('a hash is checked with the parameters that it was made with', async () => {
  const cheap = '$scrypt$ln=4,r=1,p=1$c2FsdA$'
  const hash = scryptSync('pw', 'salt', 32, { N: 16, r: 1, p: 1 }).toString('base64').replaceAll('=', '')
  expect(await verifyPassword('pw', `${cheap}${hash}`)).toBe(true)
  expect(await verifyPassword('no', `${cheap}${hash}`)).toBe(false)
})

test.each(['', 'plain', '$argon2id$v=19$m=65536$x$y', '$scrypt$ln=15,r=8,p=3$$'])(
  'what is no hash of ours (%s) knows nobody',
  async (stored) => {
    expect(await verifyPassword('', stored)).toBe(false)
  },
)

test('an unknown name costs what a known one does, and never succeeds', async () => {
  expect(await verifyNobody('anything')).toBe(false)
})

test('generated passwords do not repeat', () => {
  expect(new Set(Array.from({ length: 100 }, generatePassword)).size).toBe(100)
})
