import { useQuery } from '@tanstack/react-query'
import { client } from '../client.ts'
import { useText } from '../i18n/text.ts'
import { HAS_LOGIN, LOGOUT_URL } from '../settings.ts'
import { chooseLanguage, chooseTheme, language, THEMES, theme } from '../state/preferences.ts'
import { callerQuery } from '../state/queries.ts'
import type { Query, View } from '../state/route.ts'
import { ForChanges } from '../state/server-state.tsx'
import { bearerToken, dropToken, forgetPerson, leaveSession, session } from '../state/session.ts'
import { useStore } from '../state/store.ts'
import { attempt } from '../state/toasts.ts'
import { HealthPill } from './health-pill.tsx'
import { HostBar } from './host-bar.tsx'
import { Icon } from './icon.tsx'
import { Link } from './link.tsx'

export function Header({ view }: { view: View }) {
  const text = useText()
  const { data: caller } = useQuery(callerQuery)
  const pages: [label: string, to: Query, isCurrent: boolean][] = [
    [text.overview.title, {}, view === 'overview'],
    [text.app.tasks, { view: 'tasks' }, view === 'tasks' || view === 'task'],
    [text.errors.title, { view: 'errors' }, view === 'errors'],
    [text.app.types, { view: 'types' }, view === 'types'],
    [text.overview.executors, { view: 'executors' }, view === 'executors'],
    [text.app.schedules, { view: 'schedules' }, view === 'schedules'],
    [text.app.activity, { view: 'activity' }, view === 'activity'],
  ]
  return (
    <header className="top">
      <HostBar who={HAS_LOGIN ? undefined : (caller?.name ?? caller?.id ?? undefined)} />
      <Link to={{}} className="brand" aria-label={text.app.name}>
        <Logo />
      </Link>
      <nav aria-label={text.app.nav}>
        {pages.map(([label, to, isCurrent]) => (
          <Link key={label} to={to} {...(isCurrent ? { 'aria-current': 'page' as const } : {})}>
            {label}
          </Link>
        ))}
      </nav>
      <div className="top-end">
        <HealthPill />
        <ForChanges>
          <Link to={{ view: 'new' }} className="button primary new-task" aria-label={text.app.newTask}>
            <Icon name="plus" />
            <span className="wide-only">{text.app.newTask}</span>
          </Link>
        </ForChanges>
        <Switches />
      </div>
    </header>
  )
}

export function Switches() {
  const text = useText()
  const lang = useStore(language)
  const current = useStore(theme)
  const next = THEMES[(THEMES.indexOf(current) + 1) % THEMES.length] ?? 'system'
  const isIn = useStore(session)
  const canLeave = isIn && (HAS_LOGIN || bearerToken() !== null)
  return (
    <div className="switches">
      <button
        type="button"
        className="ghost"
        title={text.app.switchLanguage}
        lang={lang === 'zh' ? 'en' : 'zh-CN'}
        onClick={() => chooseLanguage(lang === 'zh' ? 'en' : 'zh')}
      >
        {text.app.language}
      </button>
      <button
        type="button"
        className="ghost icon-only"
        aria-label={text.app.theme[current]}
        title={text.app.theme[current]}
        onClick={() => chooseTheme(next)}
      >
        <Icon name={current === 'system' ? 'monitor' : current === 'light' ? 'sun' : 'moon'} />
      </button>
      {canLeave && HAS_LOGIN && (
        <Link
          to={{ view: 'account' }}
          className="button ghost icon-only"
          aria-label={text.account.title}
          title={text.account.title}
        >
          <Icon name="user" />
        </Link>
      )}
      {isIn && <LogOut canLeave={canLeave} />}
    </div>
  )
}

/** The host's own where it names one. */
function LogOut({ canLeave }: { canLeave: boolean }) {
  const text = useText()
  const words = { 'aria-label': text.app.logOut, title: text.app.logOut }
  if (LOGOUT_URL !== '') {
    return (
      <a className="button ghost icon-only" href={LOGOUT_URL} {...words} onClick={dropToken}>
        <Icon name="out" />
      </a>
    )
  }
  if (!canLeave) return null
  return (
    <button type="button" className="ghost icon-only" {...words} onClick={() => void leave()}>
      <Icon name="out" />
    </button>
  )
}

async function leave(): Promise<void> {
  const stay = forgetPerson()
  if (HAS_LOGIN && (await attempt(async () => (await client.logout()) ?? true)) === undefined) return stay()
  leaveSession()
}

function Logo() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" className="logo-ground" />
      <path d="M8 11h9M8 16h13M8 21h6" className="logo-lines" />
      <path d="m19 21 2.4 2.4L26 18.6" className="logo-check" />
    </svg>
  )
}
