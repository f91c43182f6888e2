import { type FormEvent, useState } from 'react'
import type { LogLevel, TaskDetail } from '../../../client/index.ts'
import { Icon } from '../../components/icon.tsx'
import { InstantInput } from '../../components/instant-input.tsx'
import { useText } from '../../i18n/text.ts'
import { go } from '../../state/route.ts'
import { attempt, notify } from '../../state/toasts.ts'
import { downloadLog, LOG_LEVELS } from './lines.ts'
import { LogLines } from './log-lines.tsx'
import { type LogSearch, useLogSearch } from './use-log-search.ts'
import { type LogWindow, useLogWindow } from './use-log-window.ts'
import { isActive, type TaskFeed } from './use-task-feed.ts'

type Follow = (follows: boolean) => void

interface Props {
  readonly task: TaskDetail
  readonly feed: Pick<TaskFeed, 'end' | 'fresh'>
  /** The line that the address names. */
  readonly lineId: number | undefined
}

export function Log({ task, feed, lineId }: Props) {
  const text = useText()
  const [level, setLevel] = useState<LogLevel | ''>('')
  const [search, setSearch] = useState('')
  const [wraps, setWraps] = useState(true)
  // Also of a log that has ended: its end is what one comes for.
  const [isFollowing, setFollowing] = useState(lineId === undefined)
  const { taskId } = task
  const canGrow = isActive(task)
  const log = useLogWindow({ taskId, level, ...feed, canGrow, startAt: lineId })
  const found = useLogSearch(taskId, level, search.trim())
  const lines = found?.found ?? log.lines
  const isEmpty = level === '' && log.total === 0
  const follow = (follows: boolean) => {
    if (follows && log.hasNewer) void log.goTo(undefined)
    setFollowing(follows)
  }
  const searchFor = (words: string) => {
    setSearch(words)
    if (words.trim() === '' && isElsewhere(log, lineId)) void log.goTo(lineId)
  }
  const jump = (follows: boolean) => {
    setSearch('')
    follow(follows)
  }
  return (
    <section className="card log-card">
      <div className="card-head log-head">
        <h2>{text.log.title}</h2>
        <span className="muted small num">{text.log.lines(lines.length, found?.total ?? log.total)}</span>
        <span className="spacer" />
        <LogFilter level={level} onLevel={setLevel} search={search} onSearch={searchFor} />
        <Jump log={log} taskId={taskId} onFollow={jump} />
        <button type="button" className="toggle" aria-pressed={wraps} onClick={() => setWraps(!wraps)}>
          {text.log.wrap}
        </button>
        {canGrow && <FollowButton isFollowing={isFollowing} onFollow={follow} />}
        <DownloadButton taskId={taskId} isEmpty={isEmpty} />
      </div>
      {found && <SearchState search={found} ofLog={log.total} />}
      <LogLines
        key={found ? 'found' : 'log'}
        taskId={taskId}
        lines={lines}
        isFollowing={isFollowing && !found}
        onFollow={(follows) => found || setFollowing(follows)}
        marked={lineId}
        wraps={wraps}
        onOlder={found || !log.hasOlder ? undefined : () => void log.loadOlder()}
        onNewer={found || !log.hasNewer ? undefined : () => void log.loadNewer()}
      >
        {lines.length === 0 && !log.isLoading && !found?.isSearching && !found?.goOn && (
          <p className="muted log-empty">
            {isEmpty ? (canGrow ? text.log.empty : text.log.none) : text.log.nothing}
          </p>
        )}
      </LogLines>
    </section>
  )
}

/** One went to a line from a search: without the search it is shown among its neighbours. */
const isElsewhere = ({ lines }: LogWindow, lineId: number | undefined) =>
  lineId !== undefined && !lines.some(({ id }) => id === lineId)

function FollowButton({ isFollowing, onFollow }: { isFollowing: boolean; onFollow: Follow }) {
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

function DownloadButton({ taskId, isEmpty }: { taskId: string; isEmpty: boolean }) {
  const text = useText()
  return (
    <button
      type="button"
      className="icon-only"
      aria-label={text.log.download}
      title={text.log.download}
      disabled={isEmpty}
      onClick={() => void attempt(() => downloadLog(taskId))}
    >
      <Icon name="download" />
    </button>
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
        maxLength={200}
        aria-label={text.log.search}
        placeholder={text.log.search}
        onChange={(event) => onSearch(event.target.value)}
      />
    </>
  )
}

/** To the first line from an instant on, to the first of all, or to the last. */
function Jump({ log, taskId, onFollow }: { log: LogWindow; taskId: string; onFollow: Follow }) {
  const text = useText()
  const shownAt = log.lines[0]?.createdAt
  const [chosen, setChosen] = useState<string>()
  const since = chosen ?? (shownAt ? shownAt.toISOString().replace(/\.\d+/, '') : '')
  const jump = async (event: FormEvent) => {
    event.preventDefault()
    const at = new Date(since)
    if (Number.isNaN(at.getTime())) return
    onFollow(false)
    const line = await log.goToTime(at)
    if (line === undefined) notify(text.log.nothingSince, 'problem')
    else go({ task: taskId, line: String(line) }, { replace: true })
  }
  return (
    <details className="log-jump">
      <summary>{text.log.jump}</summary>
      <form onSubmit={(event) => void jump(event)}>
        <InstantInput aria-label={text.log.since} value={since} onChange={setChosen} />
        <button type="submit" className="small">
          {text.log.go}
        </button>
        <button
          type="button"
          className="small"
          onClick={() => {
            onFollow(false)
            void log.goToStart()
          }}
        >
          {text.log.start}
        </button>
        <button type="button" className="small" onClick={() => onFollow(true)}>
          {text.log.end}
        </button>
      </form>
    </details>
  )
}

/** How much of the log the search has seen, and the way to the rest. */
function SearchState({ search, ofLog }: { search: LogSearch; ofLog: number }) {
  const text = useText()
  const { searched, total = ofLog, isSearching, goOn } = search
  return (
    <div className="log-search" role="status">
      <span>{isSearching ? text.log.searching : text.log.searched(Math.min(searched, total), total)}</span>
      {goOn && (
        <button type="button" className="small" onClick={goOn}>
          {text.log.searchOn}
        </button>
      )}
    </div>
  )
}
