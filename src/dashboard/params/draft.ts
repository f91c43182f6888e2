import type { Dictionary } from '../i18n/en.ts'
import { escapeInvisible } from '../i18n/visible.ts'
import type { Field } from './field.ts'
import { findInexact, isExact, readDecimal } from './numbers.ts'

/**
 * What stands in a field: text, as the browser has it. Empty: left out, or the empty value of a required field. Null:
 * JSON's null. Undefined: left out by choice.
 */
export type Draft = string | null | undefined
export type Drafts = Readonly<Record<string, Draft>>
/** By the field's name. */
export type Problems = Readonly<Record<string, string>>

/** Params that are there already, as drafts. */
export function toDrafts(fields: readonly Field[], params: Readonly<Record<string, unknown>>): Drafts {
  const known = fields.filter(({ name }) => Object.hasOwn(params, name))
  return Object.fromEntries(known.map((field) => [field.name, toDraft(field, params[field.name])]))
}

export function toDraft(field: Field, value: unknown): Draft {
  if (value === null && field.isNullable) return null
  switch (field.kind) {
    case 'text':
    case 'date':
    case 'instant':
      return typeof value === 'string' ? value : JSON.stringify(value)
    case 'list':
      return Array.isArray(value) ? value.map(String).join('\n') : ''
    case 'json':
      return escapeInvisible(JSON.stringify(value, null, 2))
    default:
      return JSON.stringify(value)
  }
}

/** The draft of a field; a name such as `constructor` is no property of the drafts before somebody enters it. */
export function draftOf(drafts: Drafts, name: string): Draft {
  return Object.hasOwn(drafts, name) ? drafts[name] : ''
}

/** The params to send, and what cannot be sent. The server checks the values. */
export function toParams(
  fields: readonly Field[],
  drafts: Drafts,
  text: Dictionary,
): { params: Record<string, unknown>; problems: Problems } {
  const params: [string, unknown][] = []
  const problems: [string, string][] = []
  for (const field of fields) {
    const reading = readDraft(field, draftOf(drafts, field.name), text)
    if ('problem' in reading) problems.push([field.name, reading.problem])
    else if (reading.value !== undefined) params.push([field.name, reading.value])
  }
  // Not by assignment: a param may be called `__proto__`.
  return { params: Object.fromEntries(params), problems: Object.fromEntries(problems) }
}

type Reading = { value: unknown } | { problem: string }

export function readDraft(field: Field, draft: Draft, text: Dictionary): Reading {
  if (draft === undefined) return { value: undefined }
  if (draft === null) return { value: null }
  if (field.reason === 'asked' && draft.trim() === '') return { problem: text.form.enterHidden }
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
      return readJson(field, draft, text)
  }
}

function readNothing({ isRequired, kind }: Field, text: Dictionary): Reading {
  if (!isRequired) return { value: undefined }
  if (kind === 'flag') return { value: false }
  return kind === 'list' ? { value: [] } : { problem: text.form.required }
}

function readNumber(draft: string, text: Dictionary): Reading {
  const value = readDecimal(draft)
  if (value === undefined) return { problem: text.form.notNumber }
  return isExact(draft, value) ? { value } : { problem: text.form.tooPrecise(draft.trim()) }
}

function readList({ itemKind }: Field, draft: string, text: Dictionary): Reading {
  const lines = draft.split('\n').filter((line) => line.trim() !== '')
  if (itemKind === 'text') return { value: lines }
  const readings = lines.map((line) => readNumber(line, text))
  const problem = readings.find((reading) => 'problem' in reading)
  return problem ?? { value: readings.map((reading) => 'value' in reading && reading.value) }
}

function readJson(field: Field, draft: string, text: Dictionary): Reading {
  let value: unknown
  try {
    value = JSON.parse(draft)
  } catch {
    return { problem: text.form.notJson }
  }
  const inexact = findInexact(draft)
  if (inexact !== undefined) return { problem: text.form.tooPrecise(inexact) }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return field.reason === 'rest' && !isObject ? { problem: text.form.notObject } : { value }
}

/** The server's problems by field: `/params/startDate` and `/params/list/3` belong to a param, `/runAt` does not. */
export function sortProblems(errors: readonly { pointer: string; detail: string }[]): {
  params: Problems
  others: Problems
} {
  const params = new Map<string, string>()
  const others = new Map<string, string>()
  for (const { pointer, detail } of errors) {
    const [first = '', second] = pointer.split('/').slice(1).map(unescapePointer)
    const [place, name] =
      first === 'params' && second !== undefined ? ([params, second] as const) : ([others, first] as const)
    const before = place.get(name)
    place.set(name, before === undefined ? detail : `${before}; ${detail}`)
  }
  return { params: Object.fromEntries(params), others: Object.fromEntries(others) }
}

const unescapePointer = (part: string) => part.replaceAll('~1', '/').replaceAll('~0', '~')
