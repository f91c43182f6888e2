import type { Zone } from '../i18n/languages.ts'

/** An instant as `datetime-local` has it, in a time zone; empty where the text is none. */
export function toLocal(instant: string, zone: Zone): string {
  const at = Date.parse(instant)
  if (Number.isNaN(at)) return ''
  const minutes = zone === 'utc' ? 0 : new Date(at).getTimezoneOffset()
  const local = new Date(at - minutes * 60_000).toISOString()
  // Seconds are shown only where they are not zero.
  return local.slice(0, -1).replace(/(?::00)?\.000$/, '')
}

/** Empty where it is none. */
export function toInstant(local: string, zone: Zone): string {
  const at = Date.parse(zone === 'utc' ? `${local}Z` : local)
  return Number.isNaN(at) ? '' : new Date(at).toISOString()
}

/** Whether a text is an instant that the control shows to its last digit, in an hour that every clock shows once. */
export function isSameInstant(value: unknown): boolean {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3}0*)?)?Z$/.test(value))
    return false
  return Date.parse(toInstant(toLocal(value, 'local'), 'local')) === Date.parse(value)
}
