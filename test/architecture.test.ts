import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { lintWith } from './support/architecture/oxlint.ts'
import { RULES, type Rule } from './support/architecture/rules.ts'
import { readSources } from './support/architecture/source-file.ts'

const sources = readSources('src')

const MAX_FILE_LINES = { 'src/engine/': 300, 'src/': 400 }
const MAX_FUNCTION_LINES = 60

describe('the imports of src', () => {
  test('are found', () => {
    const file = sources.find(({ path }) => path === 'src/engine/create/arguments.ts')
    const targets = file?.imports.map(({ target }) => target)
    expect(targets).toEqual(
      expect.arrayContaining(['zod', 'src/contract/bulk.ts', 'src/engine/definition/errors.ts']),
    )
  })

  test.each(RULES)('$name', (rule) => {
    const findings = sources.flatMap((file) => broken(rule, file))
    expect(findings).toEqual([])
    expect(broken(rule, rule.broken)).toHaveLength(1)
  })

  function broken(rule: Rule, file: (typeof sources)[number]): string[] {
    return rule.find(file).map(({ line, problem }) => `${file.path}:${line}: ${problem}`)
  }

  const noCycles = { 'import/no-cycle': ['error', { ignoreTypes: false }] }

  test('make no cycle, not even of types', () => {
    expect(lintWith(['import'], noCycles)).toEqual([])
  })

  test('would be seen to make one', () => {
    const files = {
      'a.ts': `import { b } from './b.ts'\nexport const a = () => b\n`,
      'b.ts': `import { a } from './a.ts'\nexport const b = () => a\n`,
    }
    expect(inProject(files, (root) => lintWith(['import'], noCycles, root))).not.toEqual([])
  })
})

describe('size', () => {
  test.each(Object.entries(MAX_FILE_LINES))('no file of %s has more than %i lines', (folder, most) => {
    const long = sources
      .filter((file) => file.path.startsWith(folder))
      .map((file) => ({ path: file.path, lines: file.text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > most)
      .map((file) => `${file.path}:${most + 1}: has ${file.lines} lines`)
    expect(long).toEqual([])
  })

  const shortFunctions = { 'max-lines-per-function': ['error', { max: MAX_FUNCTION_LINES, IIFEs: true }] }

  test(`no function has more than ${MAX_FUNCTION_LINES} lines`, () => {
    expect(lintWith(['eslint'], shortFunctions)).toEqual([])
  })

  test('a longer one would be seen', () => {
    const long = `export function long() {\n${'  void 0\n'.repeat(MAX_FUNCTION_LINES)}}\n`
    expect(inProject({ 'a.ts': long }, (root) => lintWith(['eslint'], shortFunctions, root))).toHaveLength(1)
  })
})

/** Runs `work` in a folder whose `src` holds these files. */
function inProject<T>(files: Record<string, string>, work: (root: string) => T): T {
  const root = mkdtempSync(path.join(tmpdir(), 'architecture-project-'))
  try {
    mkdirSync(path.join(root, 'src'))
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(root, 'src', name), text)
    return work(root)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
