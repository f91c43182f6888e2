import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.resolve(import.meta.dirname, '../..')

/** A fenced block of a page. */
export interface Block {
  readonly language: string
  readonly text: string
}

/** @param page its path in the repository */
export function blocksOf(page: string): Block[] {
  const text = readFileSync(path.join(root, page), 'utf8')
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = '', text = '']) => ({
    language,
    text,
  }))
}

/** Lines of code without what depends on where they stand: indentation, imports, comments, empty lines. */
function linesOf(code: string): string[] {
  return code
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(import|\/\/) /.test(line))
}

/**
 * What is in the examples of a page of `docs/` and is not, line by line, code of the test file at `testUrl`.
 * The parts of an example that an empty line separates may stand in different places there.
 */
export function examplesNotRunBy(testUrl: string, page: string, languages = ['ts']): string[] {
  const code = linesOf(readFileSync(fileURLToPath(testUrl), 'utf8')).join('\n')
  const examples = blocksOf(path.join('docs', page)).filter(({ language }) => languages.includes(language))
  if (examples.length === 0) throw new Error(`docs/${page} has no example in ${languages.join(' or ')}`)
  const parts = examples.flatMap(({ text }) => text.split('\n\n'))
  return parts.filter((part) => !code.includes(linesOf(part).join('\n')))
}
