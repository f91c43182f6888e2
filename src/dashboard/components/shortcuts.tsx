import { useEffect, useState } from 'react'
import type { Dictionary } from '../i18n/en.ts'
import { useText } from '../i18n/text.ts'
import { go, type Query, type View } from '../state/route.ts'
import { useReadOnly } from '../state/server-state.tsx'
import { Dialog } from './dialog.tsx'

/** Of those who change something. */
const CHANGES: readonly (keyof Dictionary['shortcuts'])[] = ['select', 'newTask']

/** After `g`. */
const PLACES: Record<string, Query> = {
  o: {},
  t: { view: 'tasks' },
  e: { view: 'errors' },
  y: { view: 'types' },
  x: { view: 'executors' },
  s: { view: 'schedules' },
  a: { view: 'activity' },
}
const SEQUENCE_MS = 1_500

/** Keys that work everywhere; those of a list or a form are theirs. */
export function Shortcuts({ view }: { view: View }) {
  const [isHelpOpen, setHelpOpen] = useState(false)
  const isReadOnly = useReadOnly()
  useEffect(() => {
    let goneAt = Number.NEGATIVE_INFINITY
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
      if (document.querySelector('dialog[open]')) return
      if (isTyping(event.target)) {
        if (event.key === 'Escape') (event.target as HTMLElement).blur()
        return
      }
      const place = event.timeStamp - goneAt < SEQUENCE_MS ? PLACES[event.key] : undefined
      goneAt = event.key === 'g' ? event.timeStamp : Number.NEGATIVE_INFINITY
      if (place) return go(place)
      if (event.key === '?') setHelpOpen(true)
      else if (event.key === '/') focusSearch()
      else if (event.key === 'n' && !isReadOnly) go({ view: 'new' })
      else if (event.key === 'Escape' && view !== 'tasks' && view !== 'overview') leavePage()
      else return
      event.preventDefault()
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [view, isReadOnly])
  return isHelpOpen ? <Help onClose={() => setHelpOpen(false)} /> : null
}

export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.closest('input:not([type=checkbox]), textarea, select') !== null
  )
}

/** Back to the list as it was, where one came from there. */
function leavePage(): void {
  if ((history.state as { fromList?: boolean } | null)?.fromList) history.back()
  else go({ view: 'tasks' })
}

function focusSearch(): void {
  const field = document.querySelector<HTMLInputElement>('input[type=search]')
  if (field) field.focus()
  else go({ view: 'tasks' })
}

const KEYS: [keys: string[], what: keyof Dictionary['shortcuts']][] = [
  [['/'], 'search'],
  [['j', 'k'], 'move'],
  [['Enter'], 'open'],
  [['x'], 'select'],
  [['n'], 'newTask'],
  [['g', 'o'], 'goOverview'],
  [['g', 't'], 'goTasks'],
  [['g', 'e'], 'goErrors'],
  [['g', 'y'], 'goTypes'],
  [['g', 'x'], 'goExecutors'],
  [['g', 's'], 'goSchedules'],
  [['g', 'a'], 'goActivity'],
  [['Esc'], 'escape'],
  [['?'], 'help'],
]

function Help({ onClose }: { onClose: () => void }) {
  const text = useText()
  const isReadOnly = useReadOnly()
  const shown = KEYS.filter(([, what]) => !isReadOnly || !CHANGES.includes(what))
  return (
    <Dialog title={text.shortcuts.title} onClose={onClose}>
      <dl className="keys">
        {shown.map(([keys, what]) => (
          <div key={what}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{text.shortcuts[what]}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
