import { expect, test } from 'vitest'
import { table } from '../../src/cli/output.ts'

test('columns are aligned for characters of any width', () => {
  const rows = [
    ['王小明', 'admin'],
    ['ｶﾅ', 'viewer'],
    ['e\u0301ve', 'viewer'],
    ['🙂', 'viewer'],
    ['ada', 'viewer'],
  ]
  expect(table(['NAME', 'ROLE'], rows).split('\n')).toEqual([
    'NAME    ROLE',
    '王小明  admin',
    'ｶﾅ      viewer',
    'e\u0301ve     viewer',
    '🙂      viewer',
    'ada     viewer',
  ])
})
