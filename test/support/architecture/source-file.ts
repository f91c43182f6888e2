import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

export const ROOT = path.resolve(import.meta.dirname, '../../..')

export interface SourceFile {
  /** From the project's root, with forward slashes. */
  readonly path: string
  readonly text: string
  readonly imports: readonly Import[]
  /** String and template literals, comments left out. */
  readonly strings: readonly Literal[]
}

export interface Import {
  /** A package's name or, for a relative import, the path from the root. */
  readonly target: string
  readonly line: number
  /** `import type` or `export type`: nothing of it is left when the program runs. */
  readonly typeOnly: boolean
}

export interface Literal {
  readonly text: string
  readonly line: number
}

/** All TypeScript files in a folder of the project. */
export function readSources(folder: string): SourceFile[] {
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => path.posix.join(folder, name.replaceAll(path.sep, '/')))
    .sort()
    .map((name) => parseSource(name, readFileSync(path.join(ROOT, name), 'utf8')))
}

// One alternative a token: the leftmost match consumes it, so what a string contains is never read as code.
const COMMENT = String.raw`(?<comment>\/\*[\s\S]*?\*\/|\/\/[^\n]*)`
const IMPORT = String.raw`(?<imported>\b(?:import|export)\s+(?:[\w*$\s{},]+?\sfrom\s*)?(?:'[^'\n]*'|"[^"\n]*"))`
// A regular expression may hold quotes; it starts where no value can end.
const REGEXP = String.raw`(?<regexp>(?<=[(,=:?&|!\[{};\n]\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\n])*\]|[^/\n\\[])+\/)`
const QUOTED = String.raw`(?<string>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|\x60(?:\\[\s\S]|[^\\\x60])*\x60)`
const TOKEN = new RegExp([COMMENT, IMPORT, REGEXP, QUOTED].join('|'), 'g')
const DYNAMIC_IMPORT = /\bimport\s*\(\s*(?:'[^'\n]*'|"[^"\n]*")/g

export function parseSource(name: string, text: string): SourceFile {
  const imports: Import[] = []
  const strings: Literal[] = []
  const addImport = (statement: string, index: number) => {
    const specifier = /['"]([^'"]*)['"]$/.exec(statement)?.[1] ?? ''
    const typeOnly = /^(import|export)\s+type\s/.test(statement)
    imports.push({ target: resolve(name, specifier), line: lineAt(text, index), typeOnly })
  }
  for (const { groups = {}, index } of text.matchAll(TOKEN)) {
    if (groups.imported !== undefined) addImport(groups.imported, index)
    if (groups.string !== undefined) {
      strings.push({ text: groups.string.slice(1, -1), line: lineAt(text, index) })
    }
  }
  for (const { 0: statement, index } of withoutComments(text).matchAll(DYNAMIC_IMPORT)) {
    addImport(statement, index)
  }
  return { path: name, text, imports, strings }
}

/** Comments become blank, lines stay lines. */
export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/[^\n]*/g, (comment) => comment.replace(/[^\n]/g, ' '))
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

function resolve(from: string, specifier: string): string {
  return specifier.startsWith('.')
    ? path.posix.normalize(path.posix.join(path.posix.dirname(from), specifier))
    : specifier
}
