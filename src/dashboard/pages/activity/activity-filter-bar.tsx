import { useEffect, useState } from 'react'
import { Icon } from '../../components/icon.tsx'
import { useText } from '../../i18n/text.ts'
import { go } from '../../state/route.ts'
import { InstantField } from '../tasks/filter-bar.tsx'
import { type ActivityFilter, toActivityQuery } from './activity-filter.ts'

export function ActivityFilterBar({ filter }: { filter: ActivityFilter }) {
  const text = useText()
  const change = (part: ActivityFilter) => go(toActivityQuery({ ...filter, ...part }), { replace: true })
  const isFiltered = Object.values(filter).some((value) => value !== undefined)
  const actions = Object.keys(text.activity.actions)
  const { action = '' } = filter
  return (
    <search className="filters" aria-label={text.list.filters}>
      <TextField
        label={text.activity.actorId}
        value={filter.actor ?? ''}
        onChange={(actor) => change({ actor: actor || undefined })}
      />
      <select
        value={action}
        aria-label={text.activity.action}
        onChange={(event) => change({ action: event.target.value || undefined })}
      >
        <option value="">{text.activity.anyAction}</option>
        {(action === '' || actions.includes(action) ? actions : [action, ...actions]).map((one) => (
          <option key={one} value={one}>
            {text.activity.actions[one] ?? one}
          </option>
        ))}
      </select>
      <TextField
        label={text.activity.subject}
        value={filter.subject ?? ''}
        onChange={(subject) => change({ subject: subject || undefined })}
      />
      <InstantField
        label={text.activity.after}
        value={filter.after}
        onChange={(after) => change({ after })}
      />
      <InstantField
        label={text.activity.before}
        value={filter.before}
        onChange={(before) => change({ before })}
      />
      {isFiltered && (
        <button type="button" className="ghost" onClick={() => go(toActivityQuery({}))}>
          <Icon name="x" />
          {text.list.clear}
        </button>
      )}
    </search>
  )
}

/** Filters by whole ids and names, so it waits until the field is left. */
function TextField(props: { label: string; value: string; onChange: (value: string) => void }) {
  const { label, value, onChange } = props
  const [typed, setTyped] = useState(value)
  useEffect(() => setTyped(value), [value])
  const done = () => typed.trim() !== value && onChange(typed.trim())
  return (
    <input
      type="search"
      value={typed}
      aria-label={label}
      placeholder={label}
      maxLength={200}
      spellCheck={false}
      autoComplete="off"
      onChange={(event) => setTyped(event.target.value)}
      onBlur={done}
      onKeyDown={(event) => event.key === 'Enter' && done()}
    />
  )
}
