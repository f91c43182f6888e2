import { useMemo } from 'react'
import type { Dictionary } from '../i18n/en.ts'
import { useKept } from '../state/kept.ts'
import { type Draft, type Drafts, draftOf, type Problems, toParams } from './draft.ts'
import { REST, startForm, WHOLE } from './faithful.ts'
import { type Field, type JsonSchema, listFields } from './field.ts'

export interface ParamsDraft {
  readonly fields: readonly Field[]
  readonly drafts: Drafts
  /** Whether any of them differs from the params that were there. */
  readonly isChanged: boolean
  readonly change: (name: string, draft: Draft) => void
  readonly read: (text: Dictionary) => { params: Record<string, unknown>; problems: Problems }
}

interface Options {
  /** Of the form: what is entered in it outlasts a log-in. */
  readonly key: string
  readonly taskType: string
  readonly schema: JsonSchema
  /** Params that are there already. */
  readonly start: Readonly<Record<string, unknown>>
  /** Values that the server hides: entered again in a copy, kept in a change. */
  readonly hidden: 'asked' | 'kept'
}

/** What a person enters for the params of one type. Another type starts afresh. */
export function useParams({ key, taskType, schema, start, hidden }: Options): ParamsDraft {
  const { named, form } = useMemo(() => {
    const named = listFields(schema)
    const initial = named ? start : Object.keys(start).length > 0 ? { [WHOLE.name]: start } : {}
    return { named, form: startForm(named ?? [WHOLE], initial, hidden) }
  }, [schema, start, hidden])
  const [state, setState] = useKept<{ taskType: string; drafts: Drafts }>(`${key} params`, () => ({
    taskType,
    drafts: form.drafts,
  }))
  const drafts = state.taskType === taskType ? state.drafts : form.drafts
  return {
    fields: form.fields,
    drafts,
    isChanged: form.fields.some(({ name }) => draftOf(drafts, name) !== draftOf(form.drafts, name)),
    change: (name, draft) => setState({ taskType, drafts: { ...drafts, [name]: draft } }),
    read(text) {
      const { params, problems } = toParams(form.fields, drafts, text)
      if (!named) {
        const { params: whole = {} } = params
        return { params: whole as Record<string, unknown>, problems }
      }
      const { [REST]: rest = {}, ...known } = params
      return { params: { ...(rest as object), ...known }, problems }
    },
  }
}
