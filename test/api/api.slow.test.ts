import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Declarations } from './declarations.ts'
import { emitDeclarations, findUndocumented, makeReport, REPORT, readPublicTypes } from './report.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-api-'))
beforeAll(() => emitDeclarations(folder))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('every export of the entry points, and every member of a public type, has its docs', () => {
  expect(findUndocumented(readPublicTypes(folder))).toEqual([])
})

test('the report of the public types is up to date; `npm run api` writes it', () => {
  expect(makeReport(readPublicTypes(folder))).toBe(readFileSync(REPORT, 'utf8'))
})

test('docs that are missing are seen', () => {
  writeFileSync(
    path.join(folder, 'sample.d.ts'),
    `import type { Inner as Other } from './sample-inner.js'
/** Has docs. */
export interface Outer extends Base {
    /** Has docs. */
    one: string;
    two: Other;
    three: { /** Has docs. */ four: 4; five: 5 }[];
}
interface Base { six(): void }
export type Shape = /** Has docs. */ { seven: 7 } | { eight: 8 };
/** Has docs. */
export declare class Box {
    #private;
    /** Has docs. */
    nine(value: string): void;
    nine(value: number): void;
    get ten(): number;
    private eleven;
}
`,
  )
  writeFileSync(path.join(folder, 'sample-inner.d.ts'), 'export type Inner = { twelve: 12 }\n')
  const declarations = new Declarations(folder)
  const exports = declarations.exportsOf('sample.d.ts')
  expect([...exports].filter(([, { hasDoc }]) => !hasDoc).map(([name]) => name)).toEqual(['Shape'])
  const members = declarations
    .reach(exports.values())
    .flatMap(({ name, undocumented }) => undocumented.map((member) => `${name}.${member}`))
  expect(members.sort()).toEqual([
    'Base.six',
    'Box.ten',
    'Inner.twelve',
    'Outer.five',
    'Outer.three',
    'Outer.two',
    'Shape.TSTypeLiteral',
  ])
})
