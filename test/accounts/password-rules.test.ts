import { expect, test } from 'vitest'
import { findPasswordFault, hashNewPassword, WeakPassword } from '../../src/accounts/password-rules.ts'
import { verifyPassword } from '../../src/accounts/passwords.ts'

test.each([
  ['tuesday rain', undefined],
  ['tuesday rai', 'a password of 12 to 1000 characters, got 11'],
  ['', 'a password of 12 to 1000 characters, got 0'],
  // Twelve UTF-16 units each, of six characters.
  ['🦊🐙🍋🚲🎻🧊', 'a password of 12 to 1000 characters, got 6'],
  ['ä ö ü ä ö ü'.normalize('NFD'), 'a password of 12 to 1000 characters, got 11'],
  ['x        y  z', 'a password of 12 to 1000 characters, got 5'],
  ['🦊🐙🍋🚲🎻🧊 beside the lake', undefined],
  ['窗外的雨一直下到星期二早上', undefined],
  ['a quiet river bends '.repeat(50), undefined],
  [`${'a quiet river bends '.repeat(50)}!`, 'a password of 12 to 1000 characters, got 1001'],
])('the length of %j: %s', (password, fault) => {
  expect(findPasswordFault(password, 'admin')).toBe(fault)
})

test.each(['night.operator', 'Night.Operator', ' night.operator ', 'ｎｉｇｈｔ.operator'])(
  '%j is the name of night.operator',
  (password) => {
    expect(findPasswordFault(password, 'night.operator')).toBe('a password other than the user name')
    expect(findPasswordFault(password, 'someone.else')).toBeUndefined()
  },
)

test.each([
  'password1234',
  'Passw0rd1234',
  'qwertyuiop123',
  '123456789012',
  'aaaaaaaaaaaa',
  'administrator',
  'letmeinletmein',
  'night.operator1',
  'a'.repeat(1_000),
])('%j is easily guessed', (password) => {
  expect(findPasswordFault(password, 'night.operator')).toBe(
    'a password that is not common or easily guessed',
  )
})

test('a new password is hashed only if it keeps the rules', async () => {
  await expect(hashNewPassword('short', 'admin')).rejects.toThrow(WeakPassword)
  expect(await verifyPassword('tuesday rain', await hashNewPassword('tuesday rain', 'admin'))).toBe(true)
})
