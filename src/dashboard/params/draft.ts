import type { Dictionary } from '../i18n/en.ts'
import type { Field } from './field.ts'

/** What stands in a field: text, as the browser has it. Empty: left out. Null: JSON's null. */
export type Draft = string | null
export type Drafts = Readonly<Record<string, Draft>>
/** By the field's name. */
export type Problems = Readonly<Record<string, string>>

/** Params that are there already, as drafts. */
export function toDrafts(fields: readonly Field[], params: Readonly<Record<string, unknown>>): Drafts {
  const known = fields.filter(({ name }) => Object.hasOwn(params, name))
  return Object.fromEntries(known.map((field) => [field.name, toDraft(field, params[field.name])]))
}

function toDraft(field: Field, value: unknown): Draft {
  if (value === null && field.isNullable) return null
  switch (field.kind) {
    case 'text':
    case 'date':
    case 'instant':
      return typeof value === 'string' ? value : JSON.stringify(value)
    case 'list':
      return Array.isArray(value) ? value.map(String).join('\n') : ''
    default:
      return JSON.stringify(value)
  }
}

/** The params to send, and what cannot be sent. Whether the values are right, the server says. */
export function toParams(
  fields: readonly Field[],
  drafts: Drafts,
  text: Dictionary,
): { params: Record<string, unknown>; problems: Problems } {
  const params: Record<string, unknown> = {}
  const problems: Record<string, string> = {}
  for (const field of fields) {
    const answer = readDraft(field, drafts[field.name] ?? (field.name in drafts ? null : ''), text)
    if ('problem' in answer) problems[field.name] = answer.problem
    else if (answer.value !== undefined) params[field.name] = answer.value
  }
  return { params, problems }
}

type Reading = { value: unknown } | { problem: string }

function readDraft(field: Field, draft: Draft, text: Dictionary): Reading {
  if (draft === null) return { value: null }
  if (draft.trim() === '' && field.kind !== 'text') return readNothing(field, text)
  switch (field.kind) {
    case 'text':
      return { value: draft === '' && !field.isRequired ? undefined : draft }
    case 'number':
    case 'integer':
      return readNumber(draft, text)
    case 'list':
      return readList(field, draft, text)
    case 'date':
    case 'instant':
      return { value: draft }
    default:
      return readJson(draft, text)
  }
}

function readNothing({ isRequired, kind }: Field, text: Dictionary): Reading {
  if (!isRequired) return { value: undefined }
  if (kind === 'flag') return { value: false }
  return kind === 'list' ? { value: [] } : { problem: text.form.required }
}

function readNumber(draft: string, text: Dictionary): Reading {
  const value = Number(draft)
  return Number.isFinite(value) ? { value } : { problem: text.form.notNumber }
}

function readList({ itemKind }: Field, draft: string, text: Dictionary): Reading {
  const lines = draft.split('\n').filter((line) => line.trim() !== '')
  if (itemKind === 'text') return { value: lines }
  const numbers = lines.map(Number)
  return numbers.every(Number.isFinite) ? { value: numbers } : { problem: text.form.notNumber }
}

function readJson(draft: string, text: Dictionary): Reading {
  try {
    return { value: JSON.parse(draft) as unknown }
  } catch {
    return { problem: text.form.notJson }
  }
}

/** The server's problems by field: `/params/startDate` and `/params/list/3` belong to a param, `/runAt` does not. */
export function sortProblems(errors: readonly { pointer: string; detail: string }[]): {
  params: Problems
  others: Problems
} {
  const params: Record<string, string> = {}
  const others: Record<string, string> = {}
  for (const { pointer, detail } of errors) {
    const [first = '', second] = pointer.split('/').slice(1).map(unescapePointer)
    const [place, name] = first === 'params' && second !== undefined ? [params, second] : [others, first]
    place[name] = place[name] === undefined ? detail : `${place[name]}; ${detail}`
  }
  return { params, others }
}

const unescapePointer = (part: string) => part.replaceAll('~1', '/').replaceAll('~0', '~')
