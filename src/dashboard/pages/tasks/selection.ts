import { useCallback, useMemo, useState } from 'react'

/** Some tasks by their ids, or all that match the filter, seen or not. */
export interface Selection {
  readonly ids: ReadonlySet<string>
  readonly isAll: boolean
  readonly has: (taskId: string) => boolean
  readonly toggle: (taskId: string) => void
  /** Selects these, or, where all of them are, none. */
  readonly togglePage: (taskIds: readonly string[]) => void
  readonly selectAll: () => void
  readonly clear: () => void
}

/** @param scope what is listed: a selection does not outlive it */
export function useSelection(scope: string): Selection {
  const [state, setState] = useState<{ scope: string; ids: ReadonlySet<string>; isAll: boolean }>({
    scope,
    ids: new Set(),
    isAll: false,
  })
  const { ids, isAll } = state.scope === scope ? state : { ids: NONE, isAll: false }

  const toggle = useCallback(
    (taskId: string) =>
      setState((before) => {
        const next = new Set(before.scope === scope ? before.ids : NONE)
        if (!next.delete(taskId)) next.add(taskId)
        return { scope, ids: next, isAll: false }
      }),
    [scope],
  )
  return useMemo(
    () => ({
      ids,
      isAll,
      has: (taskId) => isAll || ids.has(taskId),
      toggle,
      togglePage: (taskIds) => {
        const isDone = isAll || (taskIds.length > 0 && taskIds.every((id) => ids.has(id)))
        setState({ scope, ids: new Set(isDone ? [] : taskIds), isAll: false })
      },
      selectAll: () => setState({ scope, ids, isAll: true }),
      clear: () => setState({ scope, ids: NONE, isAll: false }),
    }),
    [scope, ids, isAll, toggle],
  )
}

/** None of the rows that are shown can be selected: they are not those of the filter. */
export const lockSelection = (selection: Selection): Selection => ({
  ...selection,
  toggle: () => {},
  togglePage: () => {},
})

const NONE: ReadonlySet<string> = new Set()
