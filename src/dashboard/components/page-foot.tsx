import { useText } from '../i18n/text.ts'
import { BROWSER_ZONE, zoneName } from '../i18n/time.ts'
import { chooseZone, zone } from '../state/preferences.ts'
import { useStore } from '../state/store.ts'

const COMMAND_KEYS = /Mac|iP/.test(navigator.platform) ? '⌘ K' : 'Ctrl K'

/** Shows in which time zone all times are, and offers UTC and what the keyboard can do. */
export function PageFoot({ onCommands, onHelp }: { onCommands: () => void; onHelp: () => void }) {
  const text = useText()
  const shown = useStore(zone)
  const other = shown === 'utc' ? 'local' : 'utc'
  const isUtc = ['UTC', 'Etc/UTC'].includes(BROWSER_ZONE)
  return (
    <footer className="page-foot">
      <span>{text.app.timesIn(zoneName(shown))}</span>
      {!isUtc && (
        <button type="button" className="small" onClick={() => chooseZone(other)}>
          {text.app.showTimesIn(zoneName(other))}
        </button>
      )}
      <span className="spacer" />
      <button type="button" className="ghost small" onClick={onCommands}>
        {text.palette.title} <kbd>{COMMAND_KEYS}</kbd>
      </button>
      <button type="button" className="ghost small" onClick={onHelp}>
        {text.shortcuts.title} <kbd>?</kbd>
      </button>
    </footer>
  )
}
