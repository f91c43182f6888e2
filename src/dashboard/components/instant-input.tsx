import type { ComponentProps } from 'react'
import { shortZone, zoneName } from '../i18n/time.ts'
import { toInstant, toLocal } from '../params/instants.ts'
import { serverNow } from '../state/clock.ts'
import { language, zone } from '../state/preferences.ts'
import { useStore } from '../state/store.ts'

/** An instant in UTC, shown and entered in the time zone of the page, which stands beside it. Empty: none. */
export function InstantInput(
  props: Omit<ComponentProps<'input'>, 'value' | 'onChange' | 'type'> & {
    value: string
    onChange: (instant: string) => void
  },
) {
  const { value, onChange, ...rest } = props
  const lang = useStore(language)
  const shownZone = useStore(zone)
  const at = Date.parse(value)
  return (
    <>
      <input
        {...rest}
        type="datetime-local"
        step="any"
        value={toLocal(value, shownZone)}
        onChange={(event) => onChange(toInstant(event.target.value, shownZone))}
      />
      <span className="zone" title={zoneName(shownZone)}>
        {shortZone(new Date(Number.isNaN(at) ? serverNow() : at), lang, shownZone)}
      </span>
    </>
  )
}
