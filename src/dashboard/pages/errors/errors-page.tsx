import { keepPreviousData, useQuery } from '@tanstack/react-query'
import type { ErrorGroup } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { Before } from '../../components/before.tsx'
import { Link } from '../../components/link.tsx'
import { Empty, Unread } from '../../components/notice.tsx'
import { TableHead } from '../../components/table-head.tsx'
import { useText } from '../../i18n/text.ts'
import { useFormerPlace } from '../../state/place.ts'
import { every } from '../../state/queries.ts'
import { go } from '../../state/route.ts'
import { useTitle } from '../../state/use-title.ts'
import { TypeField } from '../tasks/filter-bar.tsx'
import { GroupRow } from './group-row.tsx'

const POLL_MS = 5_000

const MARKS = ['unseen', 'seen', 'all'] as const
type Mark = (typeof MARKS)[number]

interface Shown {
  readonly mark: Mark
  readonly taskType: string | undefined
}

const toQuery = ({ mark, taskType }: Shown) => ({
  view: 'errors',
  mark: mark === 'unseen' ? undefined : mark,
  type: taskType,
})

/** What fails, each kind of failure once. */
export function ErrorsPage({ params }: { params: URLSearchParams }) {
  const text = useText()
  useTitle(text.errors.title)
  const mark = MARKS.find((one) => one === params.get('mark')) ?? 'unseen'
  const taskType = params.get('type') || undefined
  const seen = mark === 'all' ? undefined : mark === 'seen'
  const groups = useQuery({
    queryKey: ['errors', taskType, seen],
    queryFn: ({ signal }) => client.listErrorGroups({ taskType, seen }, { signal }),
    refetchInterval: every(POLL_MS),
    placeholderData: keepPreviousData,
  })
  useFormerPlace(groups.data !== undefined)
  return (
    <>
      <div className="page-head">
        <h1>{text.errors.title}</h1>
        <Marks mark={mark} taskType={taskType} />
        <TypeField
          value={taskType ?? ''}
          onChange={(type) => go(toQuery({ mark, taskType: type || undefined }), { replace: true })}
        />
      </div>
      <Unread query={groups} lines={6} />
      <Before isBefore={groups.isPlaceholderData}>
        {groups.data?.length === 0 && <Nothing mark={mark} taskType={taskType} />}
        {groups.data && groups.data.length > 0 && <GroupTable groups={groups.data} />}
      </Before>
    </>
  )
}

function GroupTable({ groups }: { groups: readonly ErrorGroup[] }) {
  const text = useText()
  const { error, lastDay, count, first, last } = text.errors
  return (
    <div className="card table-card">
      <table className="plain errors">
        <TableHead columns={[error, lastDay, count, first, last]} />
        <tbody>
          {groups.map((group) => (
            <GroupRow key={group.id} group={group} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Marks({ mark, taskType }: Shown) {
  const text = useText()
  return (
    <nav className="segments" aria-label={text.errors.marks}>
      {MARKS.map((one) => (
        <Link
          key={one}
          to={toQuery({ mark: one, taskType })}
          {...(one === mark ? { 'aria-current': 'true' as const } : {})}
        >
          {text.errors.mark[one]}
        </Link>
      ))}
    </nav>
  )
}

function Nothing({ mark, taskType }: Shown) {
  const text = useText()
  if (mark !== 'unseen') return <Empty title={text.errors.none} />
  return (
    <Empty title={text.errors.noneNew}>
      <p>{text.errors.noneText}</p>
      <Link className="button" to={toQuery({ mark: 'all', taskType })}>
        {text.errors.showAll}
      </Link>
    </Empty>
  )
}
