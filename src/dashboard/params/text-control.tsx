import { type ClipboardEvent, useState } from 'react'
import type { ControlProps } from '../components/field.tsx'
import type { Draft } from './draft.ts'
import type { Field } from './field.ts'

/** Longer texts are read better over several lines. */
const LONG = 200

/** One line, or several where the text has them: an input would drop their line feeds, also of what is pasted. */
export function TextControl(props: {
  field: Field
  draft: Draft
  onChange: (draft: Draft) => void
  control: ControlProps
}) {
  const { draft, onChange, control } = props
  const { maxLength } = props.field.limits
  const value = draft ?? ''
  const [wasPasted, setPasted] = useState(false)
  const isLong = value.includes('\n') || value.length > LONG
  // What has several lines once stays so: another control in its place would lose the focus.
  const [hasLines, setLines] = useState(isLong)
  if (isLong && !hasLines) setLines(true)
  const common = {
    ...control,
    value,
    disabled: draft === null || draft === undefined,
    spellCheck: false,
    onChange: (event: { target: { value: string } }) => onChange(event.target.value),
    ...(maxLength === undefined ? {} : { maxLength }),
  }
  if (hasLines) {
    // biome-ignore lint/a11y/noAutofocus: the focus was in the line that this takes the place of
    return <textarea {...common} rows={4} autoFocus={wasPasted} />
  }
  const onPaste = (event: ClipboardEvent<HTMLInputElement>) => {
    const pasted = event.clipboardData.getData('text/plain').replaceAll('\r\n', '\n')
    if (!pasted.trim().includes('\n')) return
    event.preventDefault()
    const { selectionStart, selectionEnd } = event.currentTarget
    setPasted(true)
    onChange(
      value.slice(0, selectionStart ?? value.length) + pasted + value.slice(selectionEnd ?? value.length),
    )
  }
  return <input {...common} type="text" autoComplete="off" onPaste={onPaste} />
}
