import { type ComponentType, useCallback, useEffect, useState } from 'react'
import type { Dictionary } from '../i18n/en.ts'
import { useText } from '../i18n/text.ts'
import { go, type Query, type View } from '../state/route.ts'
import { useReadOnly } from '../state/server-state.tsx'
import { notify } from '../state/toasts.ts'
import { Dialog } from './dialog.tsx'
import { PageFoot } from './page-foot.tsx'

/** Of those who change something. */
const CHANGES: readonly (keyof Dictionary['shortcuts'])[] = [
  'select',
  'selectAll',
  'act',
  'undo',
  'change',
  'newTask',
]

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

/** Keys that work everywhere, and the foot of the page, which names them; those of a list or a form are theirs. */
export function Shortcuts({ view }: { view: View }) {
  const [isHelpOpen, setHelpOpen] = useState(false)
  const isReadOnly = useReadOnly()
  const { palette, openPalette } = usePalette(() => setHelpOpen(true))
  useEffect(() => {
    let goneAt = Number.NEGATIVE_INFINITY
    const act = ({ key, timeStamp }: KeyboardEvent): boolean => {
      const place = timeStamp - goneAt < SEQUENCE_MS ? PLACES[key] : undefined
      goneAt = key === 'g' ? timeStamp : Number.NEGATIVE_INFINITY
      if (place) go(place)
      else if (key === '?') setHelpOpen(true)
      else if (key === '/') focusSearch()
      else if (key === 'n' && !isReadOnly) go({ view: 'new' })
      else if (!pressButton(key)) {
        if (key !== 'Escape' || view === 'tasks' || view === 'overview') return false
        leavePage()
      }
      return true
    }
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || isDialogOpen()) return
      if (isCommand(event)) openPalette()
      else if (isTyping(event.target)) {
        if (event.key === 'Escape') (event.target as HTMLElement).blur()
        return
      } else if (!isForPage(event) || !act(event)) return
      event.preventDefault()
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [view, isReadOnly, openPalette])
  return (
    <>
      <PageFoot onCommands={openPalette} onHelp={() => setHelpOpen(true)} />
      {palette}
      {isHelpOpen && <Help onClose={() => setHelpOpen(false)} />}
    </>
  )
}

const isCommand = ({ ctrlKey, metaKey, key }: KeyboardEvent) =>
  (ctrlKey || metaKey) && key.toLowerCase() === 'k'

/** Its code is loaded when it is first opened. */
function usePalette(onHelp: () => void) {
  const text = useText()
  const [Palette, setPalette] = useState<ComponentType<{ onClose: () => void; onHelp: () => void }>>()
  const [isOpen, setOpen] = useState(false)
  const openPalette = useCallback(() => {
    setOpen(true)
    import('./palette.tsx').then(
      (loaded) => setPalette(() => loaded.Palette),
      () => {
        setOpen(false)
        notify(text.app.failed, 'problem')
      },
    )
  }, [text])
  const palette = isOpen && Palette && <Palette onClose={() => setOpen(false)} onHelp={onHelp} />
  return { palette, openPalette }
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.closest('input:not([type=checkbox]), textarea, select') !== null
  )
}

const isDialogOpen = () => document.querySelector('dialog[open]') !== null

/** Whether a key is meant for the page, not for a field, a dialog, or the browser. */
export function isForPage(event: KeyboardEvent): boolean {
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey
  return isPlain && !isTyping(event.target) && !isDialogOpen()
}

/** Presses the button that has this key; of several offers to undo, the latest. */
function pressButton(key: string): boolean {
  const buttons = document.querySelectorAll<HTMLElement>(`[aria-keyshortcuts="${CSS.escape(key)}"]`)
  const button = [...buttons].at(-1)
  if (!button || button.matches(':disabled, [aria-disabled=true]')) return false
  button.click()
  return true
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
  [['Ctrl', 'K'], 'commands'],
  [['/'], 'search'],
  [['j', 'k'], 'move'],
  [['Enter'], 'open'],
  [['.'], 'news'],
  [['h', 'l'], 'pages'],
  [['x'], 'select'],
  [['a'], 'selectAll'],
  [['c', 'r', 'd'], 'act'],
  [['u'], 'undo'],
  [['e'], 'change'],
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
