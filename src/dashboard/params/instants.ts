/** An instant as `datetime-local` has it, in the browser's time zone; empty where the text is none. */
export function toLocal(instant: string): string {
  const at = Date.parse(instant)
  if (Number.isNaN(at)) return ''
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString()
  // Seconds stand there only where they say something.
  return local.slice(0, -1).replace(/(?::00)?\.000$/, '')
}

/** Empty where it is none. */
export function toInstant(local: string): string {
  const at = Date.parse(local)
  return Number.isNaN(at) ? '' : new Date(at).toISOString()
}

/** Whether a text is an instant that the control shows to its last digit, in an hour that the clock shows once. */
export function isSameInstant(value: unknown): boolean {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3}0*)?)?Z$/.test(value))
    return false
  return Date.parse(toInstant(toLocal(value))) === Date.parse(value)
}
