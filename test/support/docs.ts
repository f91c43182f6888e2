import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.resolve(import.meta.dirname, '../..')

/** Lines of code without what depends on where they stand: indentation, imports, comments, empty lines. */
function linesOf(code: string): string[] {
  return code
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(import|\/\/) /.test(line))
}

/**
 * What is in the TypeScript examples of a page of `docs/` and is not, line by line, code of the test file at `testUrl`.
 * The parts of an example that an empty line separates may stand in different places there.
 */
export function examplesNotRunBy(testUrl: string, page: string): string[] {
  const code = linesOf(readFileSync(fileURLToPath(testUrl), 'utf8')).join('\n')
  const text = readFileSync(path.join(root, 'docs', page), 'utf8')
  const examples = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, example = '']) => example)
  if (examples.length === 0) throw new Error(`docs/${page} has no TypeScript example`)
  const parts = examples.flatMap((example) => example.split('\n\n'))
  return parts.filter((part) => !code.includes(linesOf(part).join('\n')))
}
