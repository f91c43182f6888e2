import { useLayoutEffect, useMemo, useRef, useState } from 'react'
import type { LogLevel, TaskDetail, TaskLogLine } from '../../../client/index.ts'
import { LongText } from '../../components/foreign.tsx'
import { Icon } from '../../components/icon.tsx'
import { useText } from '../../i18n/text.ts'
import { formatClock } from '../../i18n/time.ts'
import { escapeInvisible, visible } from '../../i18n/visible.ts'
import { attempt } from '../../state/toasts.ts'
import { useQuery } from '../../state/use-query.ts'
import { downloadLog, LOG_LEVELS, MAX_LINES, mergeLines, readNewest, readOlder } from './lines.ts'

/** From the end: whoever is this near to it is at it. */
const NEAR_END_PX = 30

export function Log({ task, fresh }: { task: TaskDetail; fresh: readonly TaskLogLine[] }) {
  const text = useText()
  const [level, setLevel] = useState<LogLevel | ''>('')
  const [search, setSearch] = useState('')
  const [isFollowing, setFollowing] = useState(task.status === 'running' || task.status === 'pending')
  const log = useLines(task.taskId, level, fresh)
  const wanted = search.trim().toLowerCase()
  const lines = wanted === '' ? log.lines : log.lines.filter((line) => matches(line, wanted))
  return (
    <section className="card log-card">
      <div className="card-head log-head">
        <h2>{text.log.title}</h2>
        <span className="muted small num">{text.log.lines(lines.length, log.total)}</span>
        <span className="spacer" />
        <select
          value={level}
          aria-label={text.log.level}
          onChange={({ target }) => setLevel(LOG_LEVELS.find((one) => one === target.value) ?? '')}
        >
          <option value="">{text.log.anyLevel}</option>
          {LOG_LEVELS.map((one) => (
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
          onClick={() => void attempt(() => downloadLog(task.taskId))}
        >
          <Icon name="download" />
        </button>
      </div>
      <LogLines log={log} lines={lines} isFollowing={isFollowing} onFollow={setFollowing} />
    </section>
  )
}

interface Lines {
  readonly lines: readonly TaskLogLine[]
  readonly total: number
  readonly isLoading: boolean
  readonly hasOlder: boolean
  readonly loadOlder: () => Promise<void>
}

/** What was there, what was loaded on demand, and what has joined since. */
function useLines(taskId: string, level: LogLevel | '', fresh: readonly TaskLogLine[]): Lines {
  const key = `${taskId} ${level}`
  const newest = useQuery(key, (signal) => readNewest(taskId, level, signal), { everyMs: null })
  const [older, setOlder] = useState<{ key: string; lines: readonly TaskLogLine[] }>({ key, lines: [] })
  const lines = useMemo(() => {
    const joined = level === '' ? fresh : fresh.filter((line) => line.level === level)
    return mergeLines(older.key === key ? older.lines : [], newest.data?.lines ?? [], joined)
  }, [older, key, newest.data, fresh, level])
  const lastRead = newest.data?.lines.at(-1)?.id ?? 0
  const total = (newest.data?.total ?? 0) + lines.filter(({ id }) => id > lastRead).length
  return {
    lines,
    total,
    isLoading: newest.data === undefined,
    hasOlder: total > lines.length && lines.length < MAX_LINES,
    loadOlder: async () => {
      const found = await readOlder(taskId, level, lines.length)
      setOlder((before) => ({ key, lines: [...(before.key === key ? before.lines : []), ...found] }))
    },
  }
}

function LogLines(props: {
  log: Lines
  lines: readonly TaskLogLine[]
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
    const { scrollTop, scrollHeight, clientHeight } = box.current ?? NOTHING
    const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX
    if (isAtEnd !== isFollowing && scrollHeight > clientHeight) onFollow(isAtEnd)
  }
  return (
    <div
      ref={box}
      className="log"
      role="log"
      aria-live="off"
      aria-label={text.log.title}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard
      tabIndex={0}
      onScroll={onScroll}
    >
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

const NOTHING = { scrollTop: 0, scrollHeight: 0, clientHeight: 0 }

function Line({ line, isFirst }: { line: TaskLogLine; isFirst: boolean }) {
  const text = useText()
  const { level, message, createdAt, attempt, data } = line
  return (
    <>
      {isFirst && attempt !== null && <div className="log-attempt">{text.log.attempt(attempt)}</div>}
      <div className={`line line-${level.toLowerCase()}`}>
        <time dateTime={createdAt.toISOString()} title={createdAt.toISOString()}>
          {formatClock(createdAt)}
        </time>
        <span className="line-level">{level}</span>
        <span className="line-message">
          <LongText text={visible(message)} />
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
}

function matches({ message, data }: TaskLogLine, wanted: string): boolean {
  return `${message} ${data === undefined ? '' : JSON.stringify(data)}`.toLowerCase().includes(wanted)
}
