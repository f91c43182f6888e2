import { useCallback, useMemo, useState } from 'react'
import type { TaskSummary } from '../../../client/index.ts'

/** Some tasks by their ids, or all that match the filter, seen or not. */
export interface Selection {
  readonly ids: ReadonlySet<string>
  readonly isAll: boolean
  readonly has: (taskId: string) => boolean
  readonly toggle: (taskId: string) => void
  readonly togglePage: () => void
  readonly selectAll: () => void
  readonly clear: () => void
}

/** @param scope what is listed: a selection does not outlive it */
export function useSelection(scope: string, tasks: readonly TaskSummary[] | undefined): Selection {
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
  return useMemo(() => {
    const onPage = tasks?.map(({ taskId }) => taskId) ?? []
    const isPageSelected = onPage.length > 0 && onPage.every((id) => ids.has(id))
    return {
      ids,
      isAll,
      has: (taskId) => isAll || ids.has(taskId),
      toggle,
      togglePage: () =>
        setState({ scope, ids: new Set(isPageSelected || isAll ? [] : onPage), isAll: false }),
      selectAll: () => setState({ scope, ids: new Set(onPage), isAll: true }),
      clear: () => setState({ scope, ids: NONE, isAll: false }),
    }
  }, [scope, ids, isAll, tasks, toggle])
}

const NONE: ReadonlySet<string> = new Set()
