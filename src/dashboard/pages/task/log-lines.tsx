import { type MouseEvent, memo, type ReactNode, useLayoutEffect, useRef } from 'react'
import type { TaskLogLine } from '../../../client/index.ts'
import { LongText } from '../../components/foreign.tsx'
import { ansiParts } from '../../i18n/ansi.ts'
import { useText } from '../../i18n/text.ts'
import { formatClock } from '../../i18n/time.ts'
import { escapeInvisible } from '../../i18n/visible.ts'
import { zone } from '../../state/preferences.ts'
import { go, href, type Query } from '../../state/route.ts'
import { useStore } from '../../state/store.ts'

/** Within this distance of an end, more lines are read, and a reader counts as at the end. */
const NEAR_PX = 30

interface Props {
  readonly taskId: string
  readonly lines: readonly TaskLogLine[]
  readonly isFollowing: boolean
  readonly onFollow: (isFollowing: boolean) => void
  /** The line that a link leads to. */
  readonly marked: number | undefined
  readonly wraps: boolean
  /** There are more lines this way; undefined: these are all. */
  readonly onOlder: (() => void) | undefined
  readonly onNewer: (() => void) | undefined
  readonly children?: ReactNode
}

/** Lines that scroll. Those that join above move nothing that one reads. */
export function LogLines(props: Props) {
  const { taskId, lines, marked, wraps, onOlder, onNewer, children } = props
  const text = useText()
  const { box, onScroll } = useScroll(props)
  return (
    <div
      ref={box}
      className={wraps ? 'log' : 'log is-unwrapped'}
      role="log"
      aria-live="off"
      aria-label={text.log.title}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard
      tabIndex={0}
      onScroll={onScroll}
    >
      {onOlder && (
        <button type="button" className="small" onClick={onOlder}>
          {text.log.older}
        </button>
      )}
      {children}
      {lines.map((line, index) => (
        <Line
          key={line.id}
          taskId={taskId}
          line={line}
          isMarked={line.id === marked}
          isFirst={index > 0 && lines[index - 1]?.attempt !== line.attempt}
        />
      ))}
      {onNewer && (
        <button type="button" className="small" onClick={onNewer}>
          {text.log.newer}
        </button>
      )}
    </div>
  )
}

/** Keeps the reader's place, follows the end, and asks for more lines near an end. */
function useScroll({ lines, isFollowing, onFollow, marked, onOlder, onNewer }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const lastTop = useRef(0)
  const anchor = useRef<{ id: string; top: number }>(undefined)
  const lastId = lines.at(-1)?.id
  const firstId = lines[0]?.id
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new line moves the end
  useLayoutEffect(() => {
    const log = box.current
    if (!log) return
    if (isFollowing) log.scrollTop = log.scrollHeight
    else if (anchor.current) {
      const { id, top } = anchor.current
      const line = log.querySelector<HTMLElement>(`[data-line="${id}"]`)
      if (line) log.scrollTop = line.offsetTop - top
    }
    lastTop.current = log.scrollTop
  }, [isFollowing, lastId, firstId])
  // Once: what joins later does not bring a reader back.
  const shown = useRef<number>(undefined)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the line may come with others
  useLayoutEffect(() => {
    const line = box.current?.querySelector(`[data-line="${marked}"]`)
    if (shown.current === marked || !line) return
    shown.current = marked
    line.scrollIntoView({ block: 'nearest' })
  }, [marked, lines])
  const onScroll = () => {
    const log = box.current
    if (!log) return
    const { scrollTop, scrollHeight, clientHeight } = log
    const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX
    const hasGoneUp = scrollTop < lastTop.current
    lastTop.current = scrollTop
    anchor.current = findAnchor(log)
    if (hasGoneUp && scrollTop < NEAR_PX) onOlder?.()
    if (isAtEnd && !hasGoneUp) onNewer?.()
    // Scrolling up stops the following, and scrolling back to the end starts it again.
    if (isAtEnd || hasGoneUp) return onFollow(isAtEnd && onNewer === undefined)
    // Lines that came into sight were higher than estimated: the end has moved away.
    if (isFollowing) log.scrollTop = scrollHeight
  }
  return { box, onScroll }
}

/** The first line in sight, and how far below the top it stands. */
function findAnchor(log: HTMLElement): { id: string; top: number } | undefined {
  const lines = log.querySelectorAll<HTMLElement>('[data-line]')
  let [low, high] = [0, lines.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((lines[middle]?.offsetTop ?? 0) < log.scrollTop) low = middle + 1
    else high = middle
  }
  const line = lines[low]
  return line && { id: line.dataset.line ?? '', top: line.offsetTop - log.scrollTop }
}

interface LineProps {
  readonly taskId: string
  readonly line: TaskLogLine
  readonly isMarked: boolean
  readonly isFirst: boolean
}

/** Remembered: a line that joins does not draw thousands of others again. */
const Line = memo(function Line({ taskId, line, isMarked, isFirst }: LineProps) {
  const text = useText()
  const shownZone = useStore(zone)
  const { id, level, message, createdAt, attempt, data } = line
  return (
    <>
      {isFirst && attempt !== null && <div className="log-attempt">{text.log.attempt(attempt)}</div>}
      <div
        className={`line line-${level.toLowerCase()}${isMarked ? ' is-marked' : ''}`}
        data-line={id}
        {...(isMarked ? { 'aria-current': 'true' as const } : {})}
      >
        <LineLink to={{ task: taskId, line: String(id) }} title={text.log.linkTo(createdAt.toISOString())}>
          <time dateTime={createdAt.toISOString()}>{formatClock(createdAt, shownZone)}</time>
        </LineLink>
        <span className="line-level">{level}</span>
        <span className="line-message">
          <Message text={message} />
          {data !== undefined && (
            <span className="line-data">
              {' '}
              <LongText text={escapeInvisible(JSON.stringify(data))} />
            </span>
          )}
        </span>
      </div>
    </>
  )
})

/** Stays where one is. Thousands of them are no stops for the keyboard: the jump to a time names a line, too. */
function LineLink({ to, title, children }: { to: Query; title: string; children: ReactNode }) {
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    go(to, { replace: true })
  }
  return (
    <a href={href(to)} title={title} tabIndex={-1} onClick={follow}>
      {children}
    </a>
  )
}

/** In the colours that a terminal would show. */
function Message({ text }: { text: string }) {
  const parts = ansiParts(text)
  return parts.map(({ text: part, className }, i) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the text of a line does not change
    <LongText key={i} text={part} className={className} />
  ))
}
