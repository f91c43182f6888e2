import type { ComponentProps } from 'react'
import { toInstant, toLocal } from '../params/instants.ts'

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
      step="any"
      value={toLocal(value)}
      onChange={(event) => onChange(toInstant(event.target.value))}
    />
  )
}
