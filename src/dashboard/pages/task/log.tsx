import { useLayoutEffect, useMemo, useRef, useState } from 'react'
import type { LogLevel, TaskDetail, TaskLogLine } from '../../../client/index.ts'
import { LongText } from '../../components/foreign.tsx'
import { Icon } from '../../components/icon.tsx'
import { useText } from '../../i18n/text.ts'
import { formatClock } from '../../i18n/time.ts'
import { escapeInvisible, visible } from '../../i18n/visible.ts'
import { attempt } from '../../state/toasts.ts'
import { useQuery } from '../../state/use-query.ts'
import { countLines, downloadLog, LOG_LEVELS, MAX_LINES, mergeLines, readNewest, readOlder } from './lines.ts'
import { type LogSearch, matchesLine, useLogSearch } from './search-log.ts'
import { isActive } from './use-task-feed.ts'

/** Lines join by the stream; how many there are in all is counted anew this often. */
const COUNT_MS = 3_000
/** Within this distance of the end, a reader counts as at the end. */
const NEAR_END_PX = 30

export function Log({ task, fresh }: { task: TaskDetail; fresh: readonly TaskLogLine[] }) {
  const text = useText()
  const [level, setLevel] = useState<LogLevel | ''>('')
  const [search, setSearch] = useState('')
  // Also of a log that has ended: its end is what one comes for.
  const [isFollowing, setFollowing] = useState(true)
  const canGrow = isActive(task)
  const log = useLines(task.taskId, level, fresh, canGrow)
  const wanted = search.trim().toLowerCase()
  const deep = useLogSearch(task.taskId, level, wanted)
  const lines = useMemo(
    () =>
      wanted === ''
        ? log.lines
        : mergeLines(
            deep.found,
            log.lines.filter((line) => matchesLine(line, wanted)),
          ),
    [wanted, log.lines, deep.found],
  )
  return (
    <section className="card log-card">
      <div className="card-head log-head">
        <h2>{text.log.title}</h2>
        <span className="muted small num">{text.log.lines(lines.length, log.total)}</span>
        <span className="spacer" />
        <LogFilter level={level} onLevel={setLevel} search={search} onSearch={setSearch} />
        {canGrow && <FollowButton isFollowing={isFollowing} onFollow={setFollowing} />}
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
      {wanted !== '' && log.lines.length < log.total && <SearchState log={log} search={deep} />}
      <LogLines
        log={log}
        lines={lines}
        isFollowing={isFollowing}
        onFollow={setFollowing}
        isSearch={wanted !== ''}
        empty={log.lines.length > 0 ? text.log.nothing : canGrow ? text.log.empty : text.log.none}
      />
    </section>
  )
}

function LogFilter(props: {
  level: LogLevel | ''
  onLevel: (level: LogLevel | '') => void
  search: string
  onSearch: (search: string) => void
}) {
  const { level, onLevel, search, onSearch } = props
  const text = useText()
  return (
    <>
      <select
        value={level}
        aria-label={text.log.level}
        onChange={({ target }) => onLevel(LOG_LEVELS.find((one) => one === target.value) ?? '')}
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
        onChange={(event) => onSearch(event.target.value)}
      />
    </>
  )
}

function FollowButton(props: { isFollowing: boolean; onFollow: (isFollowing: boolean) => void }) {
  const { isFollowing, onFollow } = props
  const text = useText()
  return (
    <button
      type="button"
      className="toggle"
      aria-pressed={isFollowing}
      onClick={() => onFollow(!isFollowing)}
    >
      <Icon name="follow" />
      {text.log.follow}
    </button>
  )
}

/** How much of the log the search has seen, and the way to the rest. */
function SearchState({ log, search }: { log: Lines; search: LogSearch }) {
  const text = useText()
  const { searched, isSearching, start } = search
  return (
    <div className="log-search" role="status">
      <span>
        {searched === undefined
          ? text.log.searchedNewest(log.lines.length, log.total)
          : text.log.searched(Math.min(searched, log.total), log.total)}
      </span>
      {!isSearching && (searched ?? 0) < log.total && (
        <button type="button" className="small" onClick={start}>
          {text.log.searchAll}
        </button>
      )}
    </div>
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
function useLines(
  taskId: string,
  level: LogLevel | '',
  fresh: readonly TaskLogLine[],
  canGrow: boolean,
): Lines {
  const key = `${taskId} ${level}`
  const newest = useQuery(key, (signal) => readNewest(taskId, level, signal), { everyMs: null })
  const [older, setOlder] = useState<{ key: string; lines: readonly TaskLogLine[] }>({ key, lines: [] })
  const lines = useMemo(() => {
    const joined = level === '' ? fresh : fresh.filter((line) => line.level === level)
    return mergeLines(older.key === key ? older.lines : [], newest.data?.lines ?? [], joined)
  }, [older, key, newest.data, fresh, level])
  const count = useQuery(`${key} ${canGrow}`, (signal) => countLines(taskId, level, signal), {
    everyMs: canGrow ? COUNT_MS : null,
    keepPrevious: true,
  })
  const { total: counted, lastId } = count.data ?? { total: 0, lastId: Number.POSITIVE_INFINITY }
  const total = Math.max(counted + lines.filter(({ id }) => id > lastId).length, lines.length)
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
  isSearch: boolean
  empty: string
}) {
  const { log, lines, isFollowing, onFollow, isSearch, empty } = props
  const text = useText()
  const box = useRef<HTMLDivElement>(null)
  const lastTop = useRef(0)
  const lastId = lines.at(-1)?.id
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new line moves the end
  useLayoutEffect(() => {
    if (isFollowing && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [isFollowing, lastId])
  /** Scrolling up stops the following, and scrolling back to the end starts it again. */
  const onScroll = () => {
    const log = box.current
    if (!log) return
    const { scrollTop, scrollHeight, clientHeight } = log
    const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX
    const hasGoneUp = scrollTop < lastTop.current
    lastTop.current = scrollTop
    if (isAtEnd || hasGoneUp) return onFollow(isAtEnd)
    // Lines that came into sight were higher than estimated: the end has moved away.
    if (isFollowing) log.scrollTop = scrollHeight
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
      {log.hasOlder && !isSearch && (
        <button type="button" className="small" onClick={() => void attempt(log.loadOlder)}>
          {text.log.older}
        </button>
      )}
      {log.lines.length >= MAX_LINES && <p className="hint">{text.log.limit(MAX_LINES)}</p>}
      {lines.length === 0 && !log.isLoading && <p className="muted log-empty">{empty}</p>}
      {lines.map((line, index) => (
        <Line key={line.id} line={line} isFirst={index > 0 && lines[index - 1]?.attempt !== line.attempt} />
      ))}
    </div>
  )
}

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
