import { en } from '../i18n/en.ts'
import { hasInvisible } from '../i18n/visible.ts'
import { type Drafts, readDraft, toDraft } from './draft.ts'
import type { Field } from './field.ts'
import { isSameInstant } from './instants.ts'

/** What the server shows in place of a value that it hides. */
export const HIDDEN = '[redacted]'
/** PostgreSQL stores no key with NUL: no param has this name. */
export const REST = '\u0000rest'

/** The fields and drafts of a form that starts from params. */
export interface Form {
  readonly fields: readonly Field[]
  readonly drafts: Drafts
}

/**
 * A form from which the same params come out again when nothing is changed. What the control of a field would alter or
 * hide is edited as JSON. Hidden values are asked for again, or kept where the server restores them from their marker.
 */
export function startForm(
  fields: readonly Field[],
  params: Readonly<Record<string, unknown>>,
  hidden: 'asked' | 'kept',
): Form {
  const started = fields.map((field) => startField(field, params, hidden))
  const rest = Object.entries(params).filter(([key]) => !fields.some(({ name }) => name === key))
  if (rest.length > 0) started.push(startRest(Object.fromEntries(rest)))
  const drafts = started.filter(({ draft }) => draft !== '').map(({ field, draft }) => [field.name, draft])
  return { fields: started.map(({ field }) => field), drafts: Object.fromEntries(drafts) as Drafts }
}

interface Started {
  readonly field: Field
  readonly draft: Drafts[string]
}

function startField(
  field: Field,
  params: Readonly<Record<string, unknown>>,
  hidden: 'asked' | 'kept',
): Started {
  if (!Object.hasOwn(params, field.name)) return { field, draft: '' }
  const value = params[field.name]
  if (value === HIDDEN && hidden === 'asked') return { field: { ...field, reason: 'asked' }, draft: '' }
  const shown = isFaithful(field, value) ? field : { ...field, kind: 'json' as const, reason: 'raw' as const }
  // Somewhere in a value: the marker stays, and the server refuses it in a copy, or puts back what it stands for.
  const isPartHidden = JSON.stringify(value).includes(JSON.stringify(HIDDEN))
  return { field: isPartHidden ? { ...shown, reason: hidden } : shown, draft: toDraft(shown, value) }
}

/** The params that the schema does not name, as one object. */
function startRest(value: Record<string, unknown>): Started {
  const field: Field = { ...WHOLE, name: REST, reason: 'rest' }
  return { field, draft: toDraft(field, value) }
}

/** A text of JSON in place of fields. */
export const WHOLE: Field = {
  name: 'params',
  kind: 'json',
  isRequired: false,
  isNullable: false,
  fallback: undefined,
  description: undefined,
  options: [],
  itemKind: 'text',
  limits: {},
}

/** Whether the field's control shows the value as it is, and sends the same when nobody touches it. */
export function isFaithful(field: Field, value: unknown): boolean {
  const reading = readDraft(field, toDraft(field, value), en)
  if (!('value' in reading) || JSON.stringify(reading.value) !== JSON.stringify(value)) return false
  if (value === null) return field.isNullable || field.kind === 'json' || isOption(field, value)
  switch (field.kind) {
    case 'text':
    case 'list':
      return !hasInvisible([value].flat().join('\n'))
    case 'flag':
      return typeof value === 'boolean'
    case 'choice':
      return isOption(field, value)
    case 'date':
      return isDate(value)
    case 'instant':
      return isSameInstant(value)
    default:
      return true
  }
}

function isOption({ kind, options }: Field, value: unknown): boolean {
  return kind === 'choice' && options.some((one) => JSON.stringify(one) === JSON.stringify(value))
}

function isDate(value: unknown): boolean {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d$/.test(value)) return false
  const at = new Date(`${value}T00:00:00Z`)
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(value)
}
