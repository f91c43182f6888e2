import type { ReactNode } from 'react'
import type { TasksApiError } from '../../client/index.ts'
import { describeError, useText } from '../i18n/text.ts'
import { visible } from '../i18n/visible.ts'
import { Icon } from './icon.tsx'

/** What a place says that has nothing to show; `isPage`: a page that has no other title. */
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

export function Failure(props: { error: TasksApiError; onRetry: () => void; isPage?: boolean }) {
  const { error, onRetry, isPage = false } = props
  const text = useText()
  const isMissing = error.code === 'NOT_FOUND' || error.code === 'METHOD_NOT_ALLOWED'
  return (
    <Empty isPage={isPage} title={isMissing ? text.app.unsupported : text.app.failed}>
      {isMissing || <p>{visible(describeError(error, text))}</p>}
      <button type="button" onClick={onRetry}>
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
