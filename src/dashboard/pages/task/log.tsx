import { useLayoutEffect, useRef, useState } from 'react'
import type { LogLine, TaskDetail } from '../../api.ts'
import { Icon } from '../../components/icon.tsx'
import { useText } from '../../i18n/text.ts'
import { formatClock } from '../../i18n/time.ts'
import { attempt } from '../../state/toasts.ts'
import { downloadLog, MAX_LINES, type TaskLog, useLog } from './use-log.ts'

const LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR'] as const
/** From the end: whoever is this near to it is at it. */
const NEAR_END_PX = 30

export function Log({ task }: { task: TaskDetail }) {
  const [level, setLevel] = useState('')
  const isActive = task.status === 'pending' || task.status === 'running'
  return (
    <section className="card log-card">
      {/* Another level is another log. */}
      <LogView
        key={`${task.taskId} ${level}`}
        taskId={task.taskId}
        isActive={isActive}
        isRunning={task.status === 'running'}
        level={level}
        onLevel={setLevel}
      />
    </section>
  )
}

interface ViewProps {
  taskId: string
  isActive: boolean
  isRunning: boolean
  level: string
  onLevel: (level: string) => void
}

function LogView({ taskId, isActive, isRunning, level, onLevel }: ViewProps) {
  const text = useText()
  const log = useLog(taskId, level, isActive)
  const [search, setSearch] = useState('')
  const [isFollowing, setFollowing] = useState(isRunning)
  const wanted = search.trim().toLowerCase()
  const lines = wanted === '' ? log.lines : log.lines.filter((line) => matches(line, wanted))
  return (
    <>
      <div className="card-head log-head">
        <h2>{text.log.title}</h2>
        <span className="muted small num">{text.log.lines(lines.length, log.total)}</span>
        <span className="spacer" />
        <select value={level} aria-label={text.log.level} onChange={(event) => onLevel(event.target.value)}>
          <option value="">{text.log.anyLevel}</option>
          {LEVELS.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
        <input
          type="search"
          value={search}
          aria-label={text.log.search}
          placeholder={text.log.search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <button
          type="button"
          className="toggle"
          aria-pressed={isFollowing}
          onClick={() => setFollowing(!isFollowing)}
        >
          <Icon name="follow" />
          {text.log.follow}
        </button>
        <button
          type="button"
          className="icon-only"
          aria-label={text.log.download}
          title={text.log.download}
          disabled={log.total === 0}
          onClick={() => void attempt(() => downloadLog(taskId))}
        >
          <Icon name="download" />
        </button>
      </div>
      <LogLines log={log} lines={lines} isFollowing={isFollowing} onFollow={setFollowing} />
    </>
  )
}

function LogLines(props: {
  log: TaskLog
  lines: readonly LogLine[]
  isFollowing: boolean
  onFollow: (isFollowing: boolean) => void
}) {
  const { log, lines, isFollowing, onFollow } = props
  const text = useText()
  const box = useRef<HTMLDivElement>(null)
  const lastId = lines.at(-1)?.id
  // biome-ignore lint/correctness/useExhaustiveDependencies: whatever has joined, the end is shown
  useLayoutEffect(() => {
    if (isFollowing && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [isFollowing, lastId])
  /** Whoever scrolls up wants to read; whoever comes back to the end, to follow. */
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current ?? { scrollTop: 0, scrollHeight: 0, clientHeight: 0 }
    const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX
    if (isAtEnd !== isFollowing && scrollHeight > clientHeight) onFollow(isAtEnd)
  }
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard
    <div ref={box} className="log" role="log" aria-live="off" aria-label={text.log.title} tabIndex={0} onScroll={onScroll}>
      {log.hasOlder && (
        <button type="button" className="small" onClick={() => void attempt(log.loadOlder)}>
          {text.log.older}
        </button>
      )}
      {log.lines.length >= MAX_LINES && <p className="hint">{text.log.limit(MAX_LINES)}</p>}
      {lines.length === 0 && !log.isLoading && (
        <p className="muted log-empty">{log.lines.length === 0 ? text.log.empty : text.log.nothing}</p>
      )}
      {lines.map((line, index) => (
        <Line key={line.id} line={line} isFirst={index > 0 && lines[index - 1]?.attempt !== line.attempt} />
      ))}
    </div>
  )
}

function Line({ line, isFirst }: { line: LogLine; isFirst: boolean }) {
  const text = useText()
  const { level, message, createdAt, attempt, data } = line
  return (
    <>
      {isFirst && attempt !== null && <div className="log-attempt">{text.log.attempt(attempt)}</div>}
      <div className={`line line-${level.toLowerCase()}`}>
        <time dateTime={createdAt} title={createdAt}>
          {formatClock(Date.parse(createdAt))}
        </time>
        <span className="line-level">{level}</span>
        <span className="line-message">
          {message}
          {data !== undefined && <span className="line-data"> {JSON.stringify(data)}</span>}
        </span>
      </div>
    </>
  )
}

function matches({ message, data }: LogLine, wanted: string): boolean {
  return `${message} ${data === undefined ? '' : JSON.stringify(data)}`.toLowerCase().includes(wanted)
}
