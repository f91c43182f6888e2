import { useEffect, useState } from 'react'
import { useText } from '../../i18n/text.ts'
import type { TaskFilter } from '../../requests.ts'

const FIELDS = ['error', 'param', 'createdBy', 'uniqueKey', 'executorId'] as const
type Field = (typeof FIELDS)[number]

const MAX_CHARS: Record<Field, number> = {
  error: 200,
  param: 301,
  createdBy: 200,
  uniqueKey: 255,
  executorId: 36,
}

export const hasSearchFields = (filter: TaskFilter) => FIELDS.some((name) => filter[name] !== undefined)

/** Filters by whole texts, each of which waits until its field is left. */
export function SearchFields(props: { filter: TaskFilter; onChange: (part: TaskFilter) => void }) {
  const { filter, onChange } = props
  const text = useText()
  return (
    <fieldset className="search-fields">
      <legend className="visually-hidden">{text.find.more}</legend>
      {FIELDS.map((name) => (
        <SearchText
          key={name}
          label={text.find.fields[name]}
          hint={text.find.hints[name]}
          maxLength={MAX_CHARS[name]}
          value={filter[name] ?? ''}
          onChange={(value) => onChange({ [name]: value || undefined })}
        />
      ))}
    </fieldset>
  )
}

function SearchText(props: {
  label: string
  hint: string
  maxLength: number
  value: string
  onChange: (value: string) => void
}) {
  const { label, hint, maxLength, value, onChange } = props
  const [typed, setTyped] = useState(value)
  useEffect(() => setTyped(value), [value])
  const done = () => typed.trim() !== value && onChange(typed.trim())
  return (
    <label className="search-text">
      {label}
      <input
        type="text"
        value={typed}
        placeholder={hint}
        maxLength={maxLength}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => setTyped(event.target.value)}
        onBlur={done}
        onKeyDown={(event) => event.key === 'Enter' && done()}
      />
    </label>
  )
}
