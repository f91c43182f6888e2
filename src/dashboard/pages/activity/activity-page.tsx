import { keepPreviousData, useQuery } from '@tanstack/react-query'
import type { AuditEntry } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { Before } from '../../components/before.tsx'
import { Icon } from '../../components/icon.tsx'
import { Link } from '../../components/link.tsx'
import { Empty, Unread } from '../../components/notice.tsx'
import { Instant } from '../../components/time.tsx'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { useFormerPlace } from '../../state/place.ts'
import { every } from '../../state/queries.ts'
import { go } from '../../state/route.ts'
import { useTitle } from '../../state/use-title.ts'
import { type ActivityFilter, readActivityState, toActivityQuery } from './activity-filter.ts'
import { ActivityFilterBar } from './activity-filter-bar.tsx'

/** The newest page follows what happens. */
const EVERY_MS = 10_000

export function ActivityPage({ params }: { params: URLSearchParams }) {
  const text = useText()
  useTitle(text.activity.title)
  const { filter, cursor } = readActivityState(params)
  const list = useQuery({
    queryKey: ['activity', filter, cursor],
    queryFn: ({ signal }) => client.listAudit({ ...filter, cursor }, { signal }),
    refetchInterval: cursor === undefined && every(EVERY_MS),
    placeholderData: keepPreviousData,
  })
  useFormerPlace(list.data !== undefined)
  return (
    <>
      <div className="page-head">
        <h1>{text.activity.title}</h1>
      </div>
      <div className="card">
        <ActivityFilterBar filter={filter} />
        <Unread query={list} lines={6} />
        <Before isBefore={list.isPlaceholderData}>
          {list.data?.entries.length === 0 && (
            <Empty title={text.activity.empty}>
              <p>{text.activity.emptyText}</p>
            </Empty>
          )}
          {list.data && list.data.entries.length > 0 && (
            <div className="table-card">
              <ActivityTable entries={list.data.entries} filter={filter} />
            </div>
          )}
        </Before>
        <nav className="pager" aria-label={text.list.paging}>
          <span className="spacer" />
          {cursor !== undefined && (
            <button type="button" onClick={() => go(toActivityQuery(filter))}>
              {text.list.newest}
            </button>
          )}
          <button
            type="button"
            disabled={!list.data?.nextCursor}
            onClick={() => go(toActivityQuery(filter, list.data?.nextCursor ?? undefined))}
          >
            {text.list.older}
            <Icon name="right" />
          </button>
        </nav>
      </div>
    </>
  )
}

function ActivityTable({ entries, filter }: { entries: readonly AuditEntry[]; filter: ActivityFilter }) {
  const text = useText()
  return (
    <table className="plain activity">
      <thead>
        <tr>
          <th>{text.activity.time}</th>
          <th>{text.activity.actor}</th>
          <th>{text.activity.action}</th>
          <th>{text.activity.which}</th>
          <th>{text.activity.outcome}</th>
        </tr>
      </thead>
      <tbody>
        {entries.map((entry, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: entries have no id, and their order does not change
          <EntryRow key={`${entry.at.getTime()} ${index}`} entry={entry} filter={filter} />
        ))}
      </tbody>
    </table>
  )
}

function EntryRow({ entry, filter }: { entry: AuditEntry; filter: ActivityFilter }) {
  const text = useText()
  const { at, actor, action, subject, outcome, requestId, address } = entry
  const origin = [address, requestId].filter((one) => one !== null).join(' · ')
  return (
    <tr>
      <td className="num muted">
        <Instant at={at} />
      </td>
      <td className="foreign">
        {actor.id === null ? (
          <span className="muted">{text.activity.unknown}</span>
        ) : (
          <Link to={toActivityQuery({ ...filter, actor: actor.id })}>{visible(actor.name ?? actor.id)}</Link>
        )}
        <div className="muted small">{visible(origin)}</div>
      </td>
      <td className="foreign">{text.activity.actions[action] ?? visible(action)}</td>
      <td className="foreign">
        <Subject entry={entry} />{' '}
        {subject !== null && filter.subject === undefined && (
          <Link
            className="button ghost icon-only"
            to={toActivityQuery({ subject })}
            aria-label={text.activity.onlySubject}
            title={text.activity.onlySubject}
          >
            <Icon name="search" />
          </Link>
        )}
      </td>
      <td className={outcome === 'ok' ? 'muted' : 'foreign count-failed'}>
        {outcome === 'ok' ? text.activity.ok : visible(outcome)}
      </td>
    </tr>
  )
}

/** A task that was deleted has no page any more. */
function Subject({ entry: { subject, outcome, action } }: { entry: AuditEntry }) {
  if (subject === null) return null
  const isTask = subject.startsWith('task_') && outcome !== 'TASK_NOT_FOUND' && action !== 'task.delete'
  return isTask ? <Link to={{ task: subject }}>{visible(subject)}</Link> : visible(subject)
}
