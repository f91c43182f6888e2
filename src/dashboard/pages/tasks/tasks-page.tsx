import { useQuery } from '@tanstack/react-query'
import { type RefObject, useLayoutEffect, useRef, useState } from 'react'
import type { TaskList } from '../../../client/index.ts'
import { Before } from '../../components/before.tsx'
import { Link } from '../../components/link.tsx'
import { Empty, Skeleton, Unread } from '../../components/notice.tsx'
import { useText } from '../../i18n/text.ts'
import { serverNow } from '../../state/clock.ts'
import { useFormerPlace } from '../../state/place.ts'
import { executorsQuery, statsQuery, typesQuery } from '../../state/queries.ts'
import { ForChanges, listStuck } from '../../state/server-state.tsx'
import { useTitle } from '../../state/use-title.ts'
import { whyWaiting } from '../../state/why-waiting.ts'
import type { BulkOutcome } from './bulk-action.tsx'
import { BulkBar } from './bulk-bar.tsx'
import { type ListState, readListState, toQuery } from './filter.ts'
import { FilterBar } from './filter-bar.tsx'
import { useListKeys } from './list-keys.ts'
import { Pager } from './pager.tsx'
import { Searched, Searching } from './searched.tsx'
import { lockSelection, type Selection, useSelection } from './selection.ts'
import type { ShownList } from './shown-list.ts'
import { StateTabs } from './state-tabs.tsx'
import { TaskRow } from './task-row.tsx'
import { useHold } from './use-hold.ts'
import { useTaskList } from './use-task-list.ts'

export function TasksPage({ params }: { params: URLSearchParams }) {
  const text = useText()
  useTitle(text.list.title)
  const state = readListState(params)
  const { filter } = state
  const scope = JSON.stringify(state)
  const selection = useSelection(scope)
  const isAnySelected = selection.isAll || selection.ids.size > 0
  const hold = useHold(isAnySelected, () => showNews())
  const { list, progress, stop, showNews, renew } = useTaskList(scope, state, {
    isHeld: hold.isHeld,
    isSelected: (taskId) => selection.ids.has(taskId),
  })
  const stats = useQuery(statsQuery)
  useFormerPlace(list.data !== undefined && stats.data !== undefined)
  // Tasks of an earlier filter are not shown for a filter that is refused.
  const page = list.isError ? undefined : list.data
  const [outcome, setOutcome] = useState<BulkOutcome & { scope: string }>()
  const isPageSelected = list.data?.tasks.every(({ taskId }) => selection.ids.has(taskId)) ?? false
  return (
    <>
      <h1 className="visually-hidden">{text.list.title}</h1>
      <section className="card list-card">
        <StateTabs filter={filter} />
        {isAnySelected && list.data ? (
          <BulkBar
            selection={selection}
            filter={filter}
            page={list.data}
            isPageSelected={isPageSelected}
            onDone={(done) => {
              setOutcome({ ...done, scope })
              renew()
            }}
          />
        ) : (
          <FilterBar filter={filter} />
        )}
        {progress !== undefined && <Searching tasks={progress} onStop={stop} />}
        <Unread query={{ data: page, failureReason: list.error ?? list.failureReason }} lines={8} />
        <div ref={hold.place}>
          {page && (
            <TaskTable
              page={page}
              state={state}
              selection={selection}
              isPageSelected={isPageSelected}
              outcome={outcome?.scope === scope ? outcome : undefined}
              onNews={() => {
                showNews()
                renew()
              }}
            />
          )}
        </div>
      </section>
    </>
  )
}

function TaskTable(props: {
  page: ShownList
  state: ListState
  selection: Selection
  isPageSelected: boolean
  outcome: BulkOutcome | undefined
  onNews: () => void
}) {
  const { page, state, isPageSelected, outcome, onNews } = props
  // The list before, until that of this filter is there.
  const isBefore = page.scope !== JSON.stringify(state)
  const selection = isBefore ? lockSelection(props.selection) : props.selection
  const executors = useQuery(executorsQuery).data
  const types = useQuery(typesQuery).data
  const stats = useQuery(statsQuery).data
  const stuck = listStuck(executors)
  const now = serverNow()
  const body = useRef<HTMLTableSectionElement>(null)
  useListKeys(body, selection)
  const showNews = useFirstRow(body, page, onNews)
  if (page.tasks.length === 0) {
    return isBefore ? <Skeleton lines={8} /> : <Nothing page={page} state={state} outcome={outcome} />
  }
  return (
    <>
      <News tasks={page.news} onShow={showNews} />
      <Before isBefore={isBefore}>
        <table className="tasks">
          <Head page={page} selection={selection} isPageSelected={isPageSelected} />
          <tbody ref={body}>
            {page.tasks.map((task) => (
              <TaskRow
                key={task.taskId}
                task={task}
                isSelected={selection.has(task.taskId)}
                isGone={page.gone.has(task.taskId)}
                wait={whyWaiting(task, now, { types, executors, stats })}
                isStopping={task.status !== 'running' && stuck.includes(task.taskId)}
                onToggle={selection.toggle}
              />
            ))}
          </tbody>
        </table>
      </Before>
      <Pager page={page} isBefore={isBefore} filter={state.filter} cursor={state.cursor} />
    </>
  )
}

/** The focus follows to the first row, once the new ones are there. */
function useFirstRow(
  body: RefObject<HTMLTableSectionElement | null>,
  page: ShownList,
  onNews: () => void,
): () => void {
  const isAwaited = useRef(false)
  useLayoutEffect(() => {
    if (!isAwaited.current || page.news > 0) return
    isAwaited.current = false
    scrollTo(0, 0)
    body.current?.querySelector<HTMLElement>('.task-link')?.focus({ preventScroll: true })
  }, [body, page])
  return () => {
    isAwaited.current = true
    onNews()
  }
}

function Head(props: { page: ShownList; selection: Selection; isPageSelected: boolean }) {
  const { page, selection, isPageSelected } = props
  const text = useText()
  return (
    <thead>
      <tr>
        <th className="cell-select">
          <ForChanges>
            <input
              type="checkbox"
              checked={isPageSelected || selection.isAll}
              aria-label={text.list.selectPage}
              aria-keyshortcuts="a"
              onChange={() => selection.togglePage(page.tasks.map(({ taskId }) => taskId))}
            />
          </ForChanges>
        </th>
        <th>{text.list.task}</th>
        <th>{text.list.status}</th>
        <th>{text.list.progress}</th>
        <th className="cell-attempt">{text.list.attempt}</th>
        <th className="cell-created">{text.list.created}</th>
        <th className="cell-duration">{text.list.duration}</th>
      </tr>
    </thead>
  )
}

/** Floats above the rows, so that it moves none. */
function News({ tasks, onShow }: { tasks: number; onShow: () => void }) {
  const text = useText()
  return (
    <>
      <p className="visually-hidden" role="status">
        {tasks > 0 && text.list.hasNews}
      </p>
      {tasks > 0 && (
        <div className="news">
          <button type="button" className="primary small" aria-keyshortcuts="." onClick={onShow}>
            {text.list.news(tasks)}
          </button>
        </div>
      )}
    </>
  )
}

function Nothing(props: { page: TaskList; state: ListState; outcome: BulkOutcome | undefined }) {
  const { page, state, outcome } = props
  const { filter, cursor } = state
  const text = useText()
  if (page.searched) {
    return (
      <Empty title={text.find.nothing(page.searched.tasks)}>
        <Searched searched={page.searched} />
        {page.nextCursor !== null && (
          <Link className="button" to={toQuery(filter, page.nextCursor)}>
            {text.find.goOn}
          </Link>
        )}
      </Empty>
    )
  }
  if (cursor !== undefined) return <Empty title={text.list.pageOver} />
  const isFiltered = Object.keys(filter).length > 0
  const [status, ...others] = filter.status ?? []
  const isOneTab = Object.keys(filter).length === 1 && others.length === 0
  const title = status && isOneTab ? text.list.noneOf(text.status[status].toLowerCase()) : undefined
  if (outcome) {
    return (
      <Empty title={title ?? text.list.nothingLeft}>
        {outcome.to && (
          <Link className="button" to={outcome.to}>
            {text.list.showThem}
          </Link>
        )}
      </Empty>
    )
  }
  if (title !== undefined) return <Empty title={title} />
  return (
    <Empty title={isFiltered ? text.list.nothing : text.list.empty}>
      <p>{isFiltered ? text.list.nothingText : text.list.emptyText}</p>
      {isFiltered ? (
        <Link className="button" to={{ view: 'tasks' }}>
          {text.list.clear}
        </Link>
      ) : (
        <ForChanges>
          <Link className="button" to={{ view: 'new' }}>
            {text.app.newTask}
          </Link>
        </ForChanges>
      )}
    </Empty>
  )
}
