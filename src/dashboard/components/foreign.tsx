import { useState } from 'react'
import { useText } from '../i18n/text.ts'
import { visible } from '../i18n/visible.ts'

/** Of a title: a browser shows no more. */
const MAX_TITLE = 1_000
/** Characters shown at once: half a megabyte in one element keeps the browser busy for seconds. */
const MAX_SHOWN = 2_000

/** Text of somebody else on one line, cut where there is no room, whole in its title. */
export function Name({ text, className = '' }: { text: string; className?: string }) {
  const shown = visible(text)
  return (
    <bdi className={`name ${className}`} title={titleOf(text)}>
      {shown.slice(0, MAX_TITLE)}
    </bdi>
  )
}

export function titleOf(text: string): string {
  return visible(text).slice(0, MAX_TITLE)
}

/** Text of somebody else that may be long: its beginning, and the rest on demand. */
export function LongText({ text, className = '' }: { text: string; className?: string }) {
  const words = useText()
  const [isWhole, setWhole] = useState(false)
  const isCut = text.length > MAX_SHOWN
  return (
    <>
      <bdi className={className}>{isCut && !isWhole ? `${beginningOf(text)}…` : text}</bdi>
      {isCut && (
        <button type="button" className="link show-all" onClick={() => setWhole(!isWhole)}>
          {isWhole ? words.json.showLess : words.json.showAll(text.length)}
        </button>
      )}
    </>
  )
}

/** Not within a pair of surrogates. */
function beginningOf(text: string): string {
  return text.slice(0, MAX_SHOWN).replace(/[\ud800-\udbff]$/, '')
}
