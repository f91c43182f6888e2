import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { TaskError, type TaskErrorCode } from '../../src/engine/definition/errors.ts'
import { toProblem } from '../../src/http/problems.ts'

const root = path.resolve(import.meta.dirname, '../..')
const read = (name: string) => readFileSync(path.join(root, name), 'utf8')

/** The first two cells of each row under a heading of the page. */
function rowsUnder(heading: string): [code: string, second: string][] {
  const [, section = ''] = read('docs/errors.md').split(`\n## ${heading}\n`)
  const rows = section.split('\n## ')[0]?.matchAll(/^\| `([A-Z_]+)` *\| *([^|]*?) *\|/gm) ?? []
  return [...rows].map(([, code = '', second = '']) => [code, second])
}

/** The members of a union of strings. */
function unionIn(file: string, type: string): string[] {
  const [, union = ''] = new RegExp(`type ${type} =\n((?: *\\| '\\w+'\n)+)`).exec(read(file)) ?? []
  return [...union.matchAll(/'(\w+)'/g)].map(([, code = '']) => code)
}

const codesOf = (rows: readonly (readonly [string, string])[]) => rows.map(([code]) => code).sort()
const engine = unionIn('src/engine/definition/errors.ts', 'TaskErrorCode')
const accounts = unionIn('src/accounts/store/change-users.ts', 'AccountErrorCode')

test('the page has every code of the engine, with the status of REST', () => {
  expect(engine.length).toBeGreaterThan(20)
  const statusOf = (code: string) => {
    const { status } = toProblem(new TaskError(code as TaskErrorCode, ''))
    return [code, status === 500 ? 'in code' : String(status)]
  }
  expect(new Map(rowsUnder('Of the engine'))).toEqual(new Map(engine.map(statusOf) as [string, string][]))
})

test('the page has every other code of REST, with its status', () => {
  const told = [...rowsUnder('Of REST alone'), ...rowsUnder('Of accounts, in the bundled server')]
  const sources = globSync(['src/http/**/*.ts', 'src/accounts/**/*.ts', 'src/contract/problem.ts'], {
    cwd: root,
  })
  const thrown = sources.flatMap((file) => [
    ...read(file).matchAll(/(?:HttpProblem|makeProblem)\(\s*(4\d\d|5\d\d),\s*'([A-Z_]+)'/g),
  ])
  const statuses = new Map<string, string>()
  const byCode = Map.groupBy(thrown, ([, , code = '']) => code)
  for (const [code, of] of byCode)
    statuses.set(code, [...new Set(of.map(([, status]) => status))].sort().join(', '))
  // By the status alone, or by a function.
  const problems = read('src/http/problems.ts')
  for (const [, status = '', code = ''] of problems.matchAll(/^ {2}(4\d\d): '([A-Z_]+)',$/gm))
    statuses.set(code, status)
  for (const file of sources) {
    for (const [, code = ''] of read(file).matchAll(/tooMany\('([A-Z_]+)'/g)) statuses.set(code, '429')
  }
  for (const code of ['INVALID_REQUEST', 'INVALID_URL', 'BAD_REQUEST']) {
    expect(problems).toContain(`'${code}'`)
    statuses.set(code, '400')
  }
  for (const code of accounts) statuses.set(code, code === 'USER_NOT_FOUND' ? '404' : '409')
  expect(new Map(told)).toEqual(statuses)
})

test('the page has every code of the client', () => {
  const codes = unionIn('src/client/errors.ts', 'ClientErrorCode')
  expect(codes).toHaveLength(4)
  expect(codesOf(rowsUnder('Of the client'))).toEqual(codes.sort())
})
