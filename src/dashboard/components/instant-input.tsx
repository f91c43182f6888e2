import type { ComponentProps } from 'react'

/** An instant in UTC, shown and entered in the browser's time zone. Empty: none. */
export function InstantInput(
  props: Omit<ComponentProps<'input'>, 'value' | 'onChange' | 'type'> & {
    value: string
    onChange: (instant: string) => void
  },
) {
  const { value, onChange, ...rest } = props
  return (
    <input
      {...rest}
      type="datetime-local"
      value={toLocal(value)}
      onChange={(event) => onChange(toInstant(event.target.value))}
    />
  )
}

function toLocal(instant: string): string {
  const at = Date.parse(instant)
  if (Number.isNaN(at)) return ''
  return new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

function toInstant(local: string): string {
  const at = Date.parse(local)
  return Number.isNaN(at) ? '' : new Date(at).toISOString()
}
