import { QueryClientProvider, queryOptions, useQuery } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { Header } from './components/header.tsx'
import { Empty, Unread } from './components/notice.tsx'
import { Shortcuts } from './components/shortcuts.tsx'
import { Toasts } from './components/toasts.tsx'
import { useText } from './i18n/text.ts'
import { LoginPage } from './pages/login-page.tsx'
import type { OtherView } from './pages/other-pages.tsx'
import { OverviewPage } from './pages/overview/overview-page.tsx'
import { loginHref } from './settings.ts'
import { callerQuery, queryClient } from './state/queries.ts'
import { type Route, useRoute } from './state/route.ts'
import { StreamProvider } from './state/server-state.tsx'
import { connection, session } from './state/session.ts'
import { useStore } from './state/store.ts'
import { notify } from './state/toasts.ts'

/** The first screen has been loaded by then, and what it shows. */
const PREFETCH_MS = 1_000

export function App() {
  const isIn = useStore(session)
  return (
    <>
      <ConnectionBanner />
      {isIn ? (
        <QueryClientProvider client={queryClient}>
          <Pages />
        </QueryClientProvider>
      ) : (
        <LoginPage />
      )}
      <Toasts />
    </>
  )
}

function Pages() {
  const text = useText()
  const { view, params } = useRoute()
  usePrefetch()
  return (
    <StreamProvider>
      <a className="skip" href="#content">
        {text.app.skip}
      </a>
      <Header view={view} />
      <Content view={view} params={params} />
      <Shortcuts view={view} />
    </StreamProvider>
  )
}

function Content({ view, params }: Route) {
  const { error } = useQuery(callerQuery)
  return (
    <main id="content" tabIndex={-1}>
      {error?.status === 403 && <NotAllowed />}
      {error?.status !== 403 && view === 'overview' && <OverviewPage params={params} />}
      {error?.status !== 403 && view !== 'overview' && <OtherPage view={view} params={params} />}
    </main>
  )
}

/** Somebody whom the host knows, and does not let see this page. */
function NotAllowed() {
  const text = useText()
  const href = loginHref()
  return (
    <Empty isPage title={text.login.notAllowedTitle}>
      <p>{text.login.notAllowed}</p>
      {href !== '' && (
        <a className="button" href={href}>
          {text.login.asAnother}
        </a>
      )}
    </Empty>
  )
}

const CODE = { retry: true, staleTime: 'static', gcTime: Number.POSITIVE_INFINITY } as const

/** All but the first screen, which does not wait for them. */
const otherPages = queryOptions({
  queryKey: ['pages'],
  queryFn: () => import('./pages/other-pages.tsx'),
  ...CODE,
})
const palette = queryOptions({
  queryKey: ['palette'],
  queryFn: () => import('./components/palette.tsx'),
  ...CODE,
})

function OtherPage(props: { view: OtherView; params: URLSearchParams }) {
  const pages = useQuery(otherPages)
  return pages.data ? <pages.data.OtherPage {...props} /> : <Unread query={pages} lines={8} />
}

/** Pages and commands can be opened even while the server is away. */
function usePrefetch(): void {
  useEffect(() => {
    const timer = setTimeout(() => {
      void queryClient.prefetchQuery(otherPages)
      void queryClient.prefetchQuery(palette)
    }, PREFETCH_MS)
    return () => clearTimeout(timer)
  }, [])
}

function ConnectionBanner() {
  const text = useText()
  const state = useStore(connection)
  const before = useRef(state)
  useEffect(() => {
    if (before.current === 'lost' && state === 'ok') notify(text.app.connectionBack)
    before.current = state
  }, [state, text])
  return (
    <div role="status" aria-live="polite">
      {state === 'lost' && (
        <div className="banner">
          <span className="pulse" aria-hidden="true" />
          {text.app.connectionLost}
        </div>
      )}
    </div>
  )
}
