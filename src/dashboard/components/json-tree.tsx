import { useState } from 'react'
import { useText } from '../i18n/text.ts'
import { escapeInvisible, visible } from '../i18n/visible.ts'
import { LongText, Name } from './foreign.tsx'
import { Icon } from './icon.tsx'

/** Entries shown at once: a result may hold tens of thousands. */
const CHUNK = 50
const OPEN_DEPTH = 2

export function JsonTree({ value }: { value: unknown }) {
  return (
    <div className="json">
      <Node value={value} depth={0} />
    </div>
  )
}

function Node({ value, name, depth }: { value: unknown; name?: string; depth: number }) {
  if (typeof value === 'object' && value !== null && Object.keys(value).length > 0) {
    return <Branch value={value} depth={depth} {...(name === undefined ? {} : { name })} />
  }
  return (
    <div className="json-leaf">
      {name !== undefined && <Key name={name} />}
      <Leaf value={value} />
    </div>
  )
}

function Branch({ value, name, depth }: { value: object; name?: string; depth: number }) {
  const text = useText()
  const entries = Object.entries(value)
  const [isOpen, setOpen] = useState(depth < OPEN_DEPTH && entries.length <= CHUNK)
  const [shown, setShown] = useState(CHUNK)
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  return (
    <div className="json-branch">
      <button
        type="button"
        className="json-toggle"
        aria-expanded={isOpen}
        aria-label={`${isOpen ? text.json.collapse : text.json.expand} ${visible(name ?? '').slice(0, 100)}`}
        onClick={() => setOpen(!isOpen)}
      >
        <Icon name={isOpen ? 'down' : 'right'} />
      </button>
      {name !== undefined && <Key name={name} />}
      <span className="json-mark">{open}</span>
      {isOpen ? (
        <div className="json-children">
          {entries.slice(0, shown).map(([key, child]) => (
            <Node key={key} name={key} value={child} depth={depth + 1} />
          ))}
          {entries.length > shown && (
            <button type="button" className="ghost small" onClick={() => setShown(shown + CHUNK)}>
              {text.json.more(Math.min(CHUNK, entries.length - shown))}
            </button>
          )}
        </div>
      ) : (
        <span className="json-count"> {text.json.items(entries.length)} </span>
      )}
      <span className="json-mark">{close}</span>
    </div>
  )
}

function Key({ name }: { name: string }) {
  return (
    <span className="json-key">
      <Name text={name} />:{' '}
    </span>
  )
}

function Leaf({ value }: { value: unknown }) {
  const kind = value === null ? 'null' : typeof value
  return <LongText className={`json-${kind}`} text={escapeInvisible(JSON.stringify(value))} />
}
