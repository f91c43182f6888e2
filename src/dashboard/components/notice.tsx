import { type ReactNode, useRef } from 'react'
import type { TasksApiError } from '../../client/index.ts'
import { describeError, useText } from '../i18n/text.ts'
import { visible } from '../i18n/visible.ts'
import { retryNow } from '../state/queries.ts'
import { Icon } from './icon.tsx'

/** Shown where there is nothing to show; `isPage`: a page that has no other title. */
export function Empty(props: { title: string; children?: ReactNode; isPage?: boolean }) {
  const { title, children, isPage = false } = props
  return (
    <div className="empty">
      {isPage ? <h1 className="empty-title">{title}</h1> : <p className="empty-title">{title}</p>}
      {children}
    </div>
  )
}

export function Skeleton({ lines }: { lines: number }) {
  const text = useText()
  return (
    <div className="skeleton" role="img" aria-label={text.app.loading}>
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all alike
        <div key={line} />
      ))}
    </div>
  )
}

interface Reading {
  readonly data: unknown
  readonly failureReason: TasksApiError | null
}

/** In place of what has not been read yet; `lines`: how many it is likely to have. */
export function Unread({ query, lines }: { query: Reading; lines: number }) {
  const { data, failureReason } = query
  // While it is read again, the reason stays, and the button with the focus.
  const reason = useRef(failureReason)
  reason.current = data === undefined ? (failureReason ?? reason.current) : null
  if (data !== undefined) return null
  return reason.current ? <Failure error={reason.current} /> : <Skeleton lines={lines} />
}

export function Failure({ error, isPage = false }: { error: TasksApiError; isPage?: boolean }) {
  const text = useText()
  const isMissing = error.code === 'NOT_FOUND' || error.code === 'METHOD_NOT_ALLOWED'
  return (
    <Empty isPage={isPage} title={isMissing ? text.app.unsupported : text.app.failed}>
      {isMissing || <p>{visible(describeError(error, text))}</p>}
      <button type="button" onClick={() => retryNow(true)}>
        {text.app.retryNow}
      </button>
    </Empty>
  )
}

export function Warning({ children }: { children: ReactNode }) {
  return (
    <div className="warning">
      <Icon name="warning" />
      <div>{children}</div>
    </div>
  )
}
