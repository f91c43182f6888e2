import { useQuery } from '@tanstack/react-query'
import { useEffect, useId, useRef, useState } from 'react'
import { client } from '../../client.ts'
import { Name } from '../../components/foreign.tsx'
import { Icon } from '../../components/icon.tsx'
import { InstantInput } from '../../components/instant-input.tsx'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { readTyped, type TaskFilter } from '../../requests.ts'
import { serverNow } from '../../state/clock.ts'
import { zone } from '../../state/preferences.ts'
import { typesQuery } from '../../state/queries.ts'
import { go } from '../../state/route.ts'
import { toQuery } from './filter.ts'
import { PERIODS, type Period, periodOf } from './periods.ts'
import { hasSearchFields, SearchFields } from './search-fields.tsx'

type TaskSort = NonNullable<TaskFilter['sort']>

const TYPING_MS = 250

export function FilterBar({ filter }: { filter: TaskFilter }) {
  const text = useText()
  const [isOpen, setOpen] = useState(false)
  // Without the way back: the pages before were those of another filter.
  const change = (part: { [K in keyof TaskFilter]?: TaskFilter[K] | undefined }) =>
    go(toQuery({ ...filter, ...part } as TaskFilter), { replace: true, state: {} })
  const { status: _tab, ...others } = filter
  const isFiltered = Object.keys(others).length > 0
  const types = useQuery(typesQuery).data?.map(({ taskType }) => taskType) ?? []
  return (
    <search className="filters" aria-label={text.list.filters}>
      <SearchField
        value={filter.q ?? filter.param ?? ''}
        onChange={(typed) => change(readTyped(typed, types))}
      />
      <Chips filter={filter} onChange={change} />
      <button
        type="button"
        className="toggle filters-toggle"
        aria-expanded={isOpen}
        aria-pressed={isFiltered}
        onClick={() => setOpen(!isOpen)}
      >
        {text.list.filters}
      </button>
      <div className={isOpen ? 'filters-more is-open' : 'filters-more'}>
        <TypeField
          value={filter.taskType ?? ''}
          onChange={(type) => change({ taskType: type || undefined })}
        />
        <Periods onPick={(period) => change(periodOf(period, serverNow(), zone.value))} />
        <InstantField
          label={text.list.after}
          value={filter.createdAfter}
          onChange={(createdAfter) => change({ createdAfter })}
        />
        <InstantField
          label={text.list.before}
          value={filter.createdBefore}
          onChange={(createdBefore) => change({ createdBefore })}
        />
        <SortField value={filter.sort ?? 'created'} onChange={(sort) => change({ sort })} />
        <MoreFilters filter={filter} onChange={change} />
        {isFiltered && (
          <button
            type="button"
            className="ghost"
            onClick={() => go(toQuery(filter.status ? { status: filter.status } : {}))}
          >
            <Icon name="x" />
            {text.list.clear}
          </button>
        )}
      </div>
    </search>
  )
}

function Chips({ filter, onChange }: { filter: TaskFilter; onChange: (part: TaskFilter) => void }) {
  const { taskId, errorGroup } = filter
  const text = useText()
  return (
    <>
      {taskId !== undefined && (
        <Chip
          words={text.list.picked(taskId.length)}
          onClear={() => onChange({ taskId: undefined })}
          clear={text.list.clearPicked}
        />
      )}
      {errorGroup !== undefined && (
        <ErrorFilter groupId={errorGroup} onClear={() => onChange({ errorGroup: undefined })} />
      )}
    </>
  )
}

function MoreFilters(props: { filter: TaskFilter; onChange: (part: TaskFilter) => void }) {
  const { filter, onChange } = props
  const text = useText()
  const isUsed = hasSearchFields(filter)
  const [isOpen, setOpen] = useState(isUsed)
  return (
    <>
      <button
        type="button"
        className="toggle"
        aria-expanded={isOpen}
        aria-pressed={isUsed}
        onClick={() => setOpen(!isOpen)}
      >
        {text.find.more}
      </button>
      {isOpen && <SearchFields filter={filter} onChange={onChange} />}
    </>
  )
}

function Periods({ onPick }: { onPick: (period: Period) => void }) {
  const text = useText()
  return (
    <fieldset className="periods">
      <legend className="visually-hidden">{text.find.periods}</legend>
      {PERIODS.map((period) => (
        <button key={period} type="button" className="small" onClick={() => onPick(period)}>
          {text.find.period[period]}
        </button>
      ))}
    </fieldset>
  )
}

function SortField(props: { value: TaskSort; onChange: (sort: TaskSort | undefined) => void }) {
  const { value, onChange } = props
  const text = useText()
  return (
    <select
      value={value}
      aria-label={text.find.sort}
      onChange={({ target }) => onChange(target.value === 'created' ? undefined : (target.value as TaskSort))}
    >
      {Object.entries(text.find.sorts).map(([sort, words]) => (
        <option key={sort} value={sort}>
          {words}
        </option>
      ))}
    </select>
  )
}

/** Waits for a pause in the typing; Enter does not. */
function SearchField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const text = useText()
  const [typed, setTyped] = useState(value)
  const latest = useRef(onChange)
  latest.current = onChange
  // The URL may change by other ways: back, a link, "clear". A space is kept: another word may follow it.
  useEffect(() => setTyped((before) => (before.trim() === value ? before : value)), [value])
  useEffect(() => {
    if (typed.trim() === value) return
    const timer = setTimeout(() => latest.current(typed.trim()), TYPING_MS)
    return () => clearTimeout(timer)
  }, [typed, value])
  return (
    <div className="search-field">
      <Icon name="search" />
      <input
        type="search"
        value={typed}
        aria-label={text.list.search}
        placeholder={text.list.searchShort}
        title={text.list.searchHint}
        maxLength={100}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => event.key === 'Enter' && onChange(typed.trim())}
      />
      <kbd>/</kbd>
    </div>
  )
}

/** Which error all of the listed tasks have. */
function ErrorFilter({ groupId, onClear }: { groupId: string; onClear: () => void }) {
  const text = useText()
  const group = useQuery({
    queryKey: ['error', groupId],
    queryFn: ({ signal }) => client.getErrorGroup(groupId, { signal }),
  })
  const message = group.data ? (group.data.message ?? text.errors.others) : groupId
  return <Chip words={text.errors.filter(message)} onClear={onClear} clear={text.errors.clearFilter} />
}

/** What all of the listed tasks have in common. */
function Chip({ words, clear, onClear }: { words: string; clear: string; onClear: () => void }) {
  return (
    <span className="chip">
      <Name text={words} />
      <button type="button" className="ghost icon-only" aria-label={clear} title={clear} onClick={onClear}>
        <Icon name="x" />
      </button>
    </span>
  )
}

export function TypeField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const text = useText()
  const known = useQuery(typesQuery).data?.map(({ taskType }) => taskType) ?? []
  const offered = value === '' || known.includes(value) ? known : [value, ...known]
  return (
    <select value={value} aria-label={text.list.type} onChange={(event) => onChange(event.target.value)}>
      <option value="">{text.list.anyType}</option>
      {offered.map((type) => (
        <option key={type} value={type}>
          {visible(type)}
        </option>
      ))}
    </select>
  )
}

export function InstantField(props: {
  label: string
  value: Date | undefined
  onChange: (value: Date | undefined) => void
}) {
  const { label, value, onChange } = props
  const id = useId()
  return (
    <div className="instant-field">
      <label htmlFor={id}>{label}</label>
      <InstantInput
        id={id}
        value={value?.toISOString() ?? ''}
        onChange={(instant) => onChange(instant === '' ? undefined : new Date(instant))}
      />
    </div>
  )
}
