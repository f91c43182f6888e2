import { useText } from '../i18n/text.ts'
import { useStore } from '../state/store.ts'
import { dismiss, toasts } from '../state/toasts.ts'
import { titleOf } from './foreign.tsx'
import { Icon } from './icon.tsx'
import { Link } from './link.tsx'

export function Toasts() {
  const text = useText()
  const shown = useStore(toasts)
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(({ id, kind, words, to, undo }) => (
        <div key={id} className={`toast toast-${kind}`}>
          <Icon name={kind === 'done' ? 'check' : 'warning'} />
          {to ? <Link to={to}>{titleOf(words)}</Link> : <span>{titleOf(words)}</span>}
          {undo && (
            <button
              type="button"
              className="small"
              aria-keyshortcuts="u"
              onClick={() => {
                dismiss(id)
                undo()
              }}
            >
              {text.app.undo}
            </button>
          )}
          <button
            type="button"
            className="ghost icon-only"
            aria-label={text.app.dismiss}
            onClick={() => dismiss(id)}
          >
            <Icon name="x" />
          </button>
        </div>
      ))}
    </div>
  )
}
