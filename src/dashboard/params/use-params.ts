import { useState } from 'react'
import type { Dictionary } from '../i18n/en.ts'
import { type Draft, type Drafts, type Problems, toDrafts, toParams } from './draft.ts'
import { type Field, type JsonSchema, listFields } from './field.ts'

export interface ParamsDraft {
  readonly fields: readonly Field[]
  readonly drafts: Drafts
  readonly change: (name: string, draft: Draft) => void
  readonly read: (text: Dictionary) => { params: Record<string, unknown>; problems: Problems }
}

/** All params as one text, for a type whose schema does not name them. */
const WHOLE: Field = {
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

/**
 * What a person enters for the params of one type, starting from params that are there. Another type starts afresh.
 */
export function useParams(
  taskType: string,
  schema: JsonSchema,
  start: Readonly<Record<string, unknown>>,
): ParamsDraft {
  const named = listFields(schema)
  const fields = named ?? [WHOLE]
  const initial = named ? start : Object.keys(start).length > 0 ? { params: start } : {}
  const fresh = () => ({ taskType, drafts: toDrafts(fields, initial) })
  const [state, setState] = useState<{ taskType: string; drafts: Drafts }>(fresh)
  const { drafts } = state.taskType === taskType ? state : fresh()
  return {
    fields,
    drafts,
    change: (name, draft) => setState({ taskType, drafts: { ...drafts, [name]: draft } }),
    read(text) {
      const { params, problems } = toParams(fields, drafts, text)
      return { params: named ? params : ((params.params ?? {}) as Record<string, unknown>), problems }
    },
  }
}
