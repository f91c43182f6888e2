import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseSync } from 'vite'

/** Reads `.d.ts` files: what they export, the docs, and which declarations those refer to. */

/** A node of the parser's tree. */
interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [property: string]: unknown
}

export interface Declaration {
  readonly name: string
  /** From the folder of the declarations. */
  readonly file: string
  /** Without comments. */
  readonly text: string
  readonly hasDoc: boolean
  /** Members without docs, such as `priority`. */
  readonly undocumented: readonly string[]
  /** Names that the text refers to, as the file knows them. */
  readonly references: readonly string[]
}

interface Source {
  readonly file: string
  readonly text: string
  readonly comments: readonly { readonly value: string; readonly start: number; readonly end: number }[]
  readonly declared: Map<string, { readonly statement: Node; readonly node: Node }>
  /** Names of other files: what they are called there, and where. */
  readonly imported: Map<string, { readonly name: string; readonly from: string }>
  /** Exported names, as the file knows them. */
  readonly exported: Map<string, string>
}

export class Declarations {
  readonly #root: string
  readonly #sources = new Map<string, Source>()

  constructor(root: string) {
    this.#root = root
  }

  /** What an entry point exports, by name. */
  exportsOf(file: string): Map<string, Declaration> {
    const source = this.#read(file)
    const names = [...source.exported].sort(([one], [other]) => (one < other ? -1 : 1))
    return new Map(
      names.flatMap(([name, local]) => {
        const found = this.find(file, local)
        return found ? [[name, found]] : []
      }),
    )
  }

  /** The declaration of a name in a file, or where the file imports it from; undefined: of another package. */
  find(file: string, name: string): Declaration | undefined {
    const source = this.#read(file)
    const declared = source.declared.get(name)
    if (declared) return describe(source, name, declared)
    const imported = source.imported.get(name)
    if (!imported) return undefined
    const target = this.#read(imported.from)
    return this.find(imported.from, target.exported.get(imported.name) ?? imported.name)
  }

  /** All that these declarations refer to, themselves included. */
  reach(from: Iterable<Declaration>): Declaration[] {
    const found = new Map<string, Declaration>()
    const queue = [...from]
    for (let next = queue.pop(); next; next = queue.pop()) {
      const key = `${next.file} ${next.name}`
      if (found.has(key)) continue
      found.set(key, next)
      for (const name of next.references) {
        const referred = this.find(next.file, name)
        if (referred) queue.push(referred)
      }
    }
    return [...found.values()]
  }

  #read(file: string): Source {
    const known = this.#sources.get(file)
    if (known) return known
    const text = readFileSync(path.join(this.#root, file), 'utf8')
    const { program, comments, errors } = parseSync(file, text)
    if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`)
    const source: Source = {
      file,
      text,
      comments,
      declared: new Map(),
      imported: new Map(),
      exported: new Map(),
    }
    for (const statement of program.body as unknown as Node[]) addStatement(source, statement)
    this.#sources.set(file, source)
    return source
  }
}

function addStatement(source: Source, statement: Node): void {
  const { type } = statement
  if (type === 'ImportDeclaration') addImports(source, statement)
  else if (type === 'ExportNamedDeclaration') addExports(source, statement)
  else if (type === 'ExportDefaultDeclaration') {
    const node = statement.declaration as Node
    if (node.type === 'Identifier') source.exported.set('default', String(node.name))
    else declare(source, statement, node, 'default')
  } else declare(source, statement, statement)
}

function addImports(source: Source, statement: Node): void {
  const from = resolve(source.file, statement.source as Node)
  if (from === undefined) return
  for (const specifier of statement.specifiers as Node[]) {
    const imported = specifier.imported as Node | undefined
    source.imported.set(nameOf(specifier.local), { name: imported ? nameOf(imported) : 'default', from })
  }
}

function addExports(source: Source, statement: Node): void {
  const declaration = statement.declaration as Node | null
  if (declaration) {
    declare(source, statement, declaration, nameOfDeclared(declaration))
    return
  }
  const from = statement.source ? resolve(source.file, statement.source as Node) : undefined
  for (const specifier of statement.specifiers as Node[]) {
    const [local, exported] = [nameOf(specifier.local), nameOf(specifier.exported)]
    // A name of another file gets one that no declaration here can have.
    const known = statement.source ? `${local} of ${from}` : local
    if (from !== undefined) source.imported.set(known, { name: local, from })
    source.exported.set(exported, known)
  }
}

function declare(source: Source, statement: Node, node: Node, exported?: string): void {
  const name = exported === 'default' ? 'default' : nameOfDeclared(node)
  if (name === undefined) return
  // Of overloads, the first has the docs.
  if (!source.declared.has(name)) source.declared.set(name, { statement, node })
  if (exported !== undefined) source.exported.set(exported, name)
}

function nameOfDeclared(node: Node): string | undefined {
  if (node.type === 'VariableDeclaration') return nameOf((node.declarations as Node[])[0]?.id)
  return node.id ? nameOf(node.id) : undefined
}

function nameOf(node: unknown): string {
  const { name, value } = node as { name?: string; value?: string }
  return String(name ?? value)
}

/** A file of ours; undefined for a package. */
function resolve(file: string, { value }: Node): string | undefined {
  const target = String(value)
  if (!target.startsWith('.')) return undefined
  return path.posix.join(path.posix.dirname(file), target.replace(/\.(js|ts)$/, '.d.ts'))
}

function describe(
  source: Source,
  name: string,
  { statement, node }: { statement: Node; node: Node },
): Declaration {
  return {
    name,
    file: source.file,
    text: withoutComments(source, statement),
    hasDoc: hasDoc(source, statement.start),
    undocumented: listMembers(node)
      .filter((member) => !hasDoc(source, member.start))
      .map((member) => nameOf(member.key ?? { name: member.type })),
    references: [...listReferences(node)],
  }
}

function withoutComments({ text, comments }: Source, { start, end }: Node): string {
  const inside = comments.filter((comment) => comment.start >= start && comment.end <= end)
  let [result, at] = ['', start]
  for (const comment of inside) {
    result += text.slice(at, comment.start).replace(/[ \t]+$/, '')
    at = comment.end
    if (text[at] === '\n' && /(^|\n)$/.test(result)) at += 1
  }
  return result + text.slice(at, end)
}

/** Whether a comment of docs ends where this begins. A union's member has its docs before the bar. */
function hasDoc({ text, comments }: Source, start: number): boolean {
  return comments.some(
    ({ value, end }) => value.startsWith('*') && end <= start && /^[\s|]*$/.test(text.slice(end, start)),
  )
}

/** Properties and methods that a person may use, and the members of a union of objects. */
function listMembers(node: Node): Node[] {
  if (node.type === 'TSInterfaceDeclaration') return membersOf(((node.body as Node).body as Node[]) ?? [])
  if (node.type === 'ClassDeclaration') {
    const body = (node.body as Node).body as Node[]
    return membersOf(body.filter((member) => isPublic(member)))
  }
  if (node.type !== 'TSTypeAliasDeclaration') return []
  return ofType(node.typeAnnotation as Node)
}

function ofType(type: Node): Node[] {
  if (type.type === 'TSTypeLiteral') return membersOf(type.members as Node[])
  if (type.type === 'TSIntersectionType') return (type.types as Node[]).flatMap(ofType)
  // Each shape of a union has its docs; its fields are told by it.
  if (type.type === 'TSUnionType') {
    return (type.types as Node[]).filter((one) => one.type === 'TSTypeLiteral')
  }
  return []
}

/** Of overloads the first; objects in objects, too. */
function membersOf(members: readonly Node[]): Node[] {
  const first = new Map<string, Node>()
  for (const member of members) {
    const name = member.key ? nameOf(member.key) : `${member.type} ${member.start}`
    if (!first.has(name)) first.set(name, member)
  }
  return [...first.values()].flatMap((member) => [member, ...nested(member)])
}

function nested(member: Node): Node[] {
  const annotation = (member.typeAnnotation as Node | null)?.typeAnnotation as Node | undefined
  return annotation ? literalsIn(annotation).flatMap((one) => membersOf(one.members as Node[])) : []
}

function literalsIn(type: Node): Node[] {
  if (type.type === 'TSTypeLiteral') return [type]
  if (type.type === 'TSArrayType') return literalsIn(type.elementType as Node)
  if (type.type === 'TSTypeOperator') return literalsIn(type.typeAnnotation as Node)
  if (type.type === 'TSUnionType' || type.type === 'TSIntersectionType')
    return (type.types as Node[]).flatMap(literalsIn)
  return []
}

function isPublic({ type, key, accessibility, kind }: Node): boolean {
  if (type === 'StaticBlock' || kind === 'constructor' || accessibility === 'private') return false
  return (key as Node | undefined)?.type !== 'PrivateIdentifier'
}

/** Names of types and of values in `typeof`, at any depth. */
function* listReferences(node: unknown): Generator<string> {
  if (Array.isArray(node)) {
    for (const one of node) yield* listReferences(one)
    return
  }
  if (typeof node !== 'object' || node === null) return
  const { type, kind, typeName, exprName, expression } = node as Record<string, unknown>
  // Hosts construct only what is exported as a value, whose options are exported with it.
  if (kind === 'constructor') return
  const named =
    type === 'TSTypeReference'
      ? typeName
      : type === 'TSTypeQuery'
        ? exprName
        : type === 'TSInterfaceHeritage' || type === 'TSClassImplements'
          ? expression
          : undefined
  if (isIdentifier(named)) yield nameOf(named)
  const { superClass } = node as Record<string, unknown>
  if (isIdentifier(superClass)) yield nameOf(superClass)
  for (const value of Object.values(node)) yield* listReferences(value)
}

function isIdentifier(node: unknown): boolean {
  return (node as Node | undefined)?.type === 'Identifier'
}
