import { useEffect, useState } from 'react'
import { useText } from '../i18n/text.ts'
import { notify } from '../state/toasts.ts'
import { Icon } from './icon.tsx'

export function CopyButton({ value, what }: { value: string; what: string }) {
  const text = useText()
  const [isDone, setDone] = useState(false)
  useEffect(() => {
    if (!isDone) return
    const timer = setTimeout(() => setDone(false), 1_500)
    return () => clearTimeout(timer)
  }, [isDone])

  const copy = async () => {
    if (await writeClipboard(value)) setDone(true)
    else notify(text.app.failed, 'problem')
  }
  return (
    <button
      type="button"
      className="ghost icon-only copy"
      aria-label={isDone ? text.app.copied : text.app.copyWhat(what)}
      title={isDone ? text.app.copied : text.app.copyWhat(what)}
      onClick={() => void copy()}
    >
      <Icon name={isDone ? 'check' : 'copy'} />
    </button>
  )
}

/** Over plain HTTP, but for localhost, browsers have no clipboard to write to: there the old way still works. */
async function writeClipboard(value: string): Promise<boolean> {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(value).then(
      () => true,
      () => false,
    )
  }
  const area = document.createElement('textarea')
  area.value = value
  area.className = 'visually-hidden'
  const place = document.querySelector('dialog[open]') ?? document.body
  place.append(area)
  area.select()
  const isDone = document.execCommand('copy')
  area.remove()
  return isDone
}
