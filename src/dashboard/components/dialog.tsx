import { type ReactNode, useId, useLayoutEffect, useRef, useState } from 'react'
import { useText } from '../i18n/text.ts'
import { visible } from '../i18n/visible.ts'
import { Icon } from './icon.tsx'

/** A modal window. The browser keeps the focus in it, closes it at Escape, and gives the focus back. */
export function Dialog(props: {
  title: string
  onClose: () => void
  children: ReactNode
  wide?: boolean
  /** What is entered in it is not lost by a click beside it, and not by Escape without a question. */
  isForm?: boolean
}) {
  const { title, onClose, children, wide = false, isForm = false } = props
  const [isFilled, setFilled] = useState(false)
  const [isAsking, setAsking] = useState(false)
  const text = useText()
  const ref = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  // Closed while it is still in the document: only then the browser gives the focus back.
  useLayoutEffect(() => {
    const dialog = ref.current
    dialog?.showModal()
    dialog?.querySelector<HTMLElement>('[data-first], input, select, textarea')?.focus()
    return () => dialog?.close()
  }, [])
  return (
    <dialog
      ref={ref}
      aria-labelledby={titleId}
      className={wide ? 'wide' : ''}
      onCancel={(event) => {
        if (event.target !== event.currentTarget) return
        event.preventDefault()
        if (isForm && isFilled) setAsking(true)
        else onClose()
      }}
      onPointerDown={(event) => {
        if (event.target === event.currentTarget && !isForm) onClose()
      }}
      onInput={() => setFilled(true)}
    >
      <div className="dialog-body">
        <header>
          <h2 id={titleId}>{visible(title)}</h2>
          <button type="button" className="ghost icon-only" aria-label={text.app.close} onClick={onClose}>
            <Icon name="x" />
          </button>
        </header>
        {children}
      </div>
      {isAsking && (
        <Confirm
          title={text.app.discard}
          details={text.app.discardText}
          action={text.app.discardIt}
          danger
          onConfirm={onClose}
          onClose={() => setAsking(false)}
        />
      )}
    </dialog>
  )
}

/** Asks before something that cannot be undone. The focus is on the way out. */
export function Confirm(props: {
  title: string
  details: string
  action: string
  danger?: boolean
  busy?: boolean
  onConfirm: () => void
  onClose: () => void
}) {
  const { title, details, action, danger = false, busy = false, onConfirm, onClose } = props
  const text = useText()
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{details}</p>
      <footer>
        <button type="button" data-first onClick={onClose}>
          {text.app.goBack}
        </button>
        <button type="button" className={danger ? 'danger' : 'primary'} disabled={busy} onClick={onConfirm}>
          {action}
        </button>
      </footer>
    </Dialog>
  )
}
