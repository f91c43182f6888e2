import { useQuery } from '@tanstack/react-query'
import type { ScheduleTicks, ScheduleView } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { Confirm } from '../../components/dialog.tsx'
import { titleOf } from '../../components/foreign.tsx'
import { Icon } from '../../components/icon.tsx'
import { Link } from '../../components/link.tsx'
import { Empty, Unread } from '../../components/notice.tsx'
import { TableHead } from '../../components/table-head.tsx'
import { Ago } from '../../components/time.tsx'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { useKept } from '../../state/kept.ts'
import { useFormerPlace } from '../../state/place.ts'
import { every, schedulesQuery } from '../../state/queries.ts'
import { ForChanges, useReadOnly } from '../../state/server-state.tsx'
import { change, notify } from '../../state/toasts.ts'
import { useOneAtATime } from '../../state/use-one-at-a-time.ts'
import { useTitle } from '../../state/use-title.ts'
import { ScheduleDialog } from './schedule-dialog.tsx'
import { TickStrip } from './tick-strip.tsx'
import { TicksDialog } from './ticks-dialog.tsx'

type Open = { kind: 'new' } | { kind: 'edit' | 'delete' | 'ticks'; schedule: ScheduleView }

const TICKS_MS = 15_000

export function SchedulesPage() {
  const text = useText()
  useTitle(text.schedules.title)
  const list = useQuery(schedulesQuery)
  const ticks = useQuery({
    queryKey: ['ticks'],
    queryFn: ({ signal }) => client.listScheduleTicks({ signal }),
    refetchInterval: every(TICKS_MS),
  })
  useFormerPlace(list.data !== undefined)
  const [open, setOpen] = useKept<Open | undefined>('schedules open', () => undefined)
  const close = () => setOpen(undefined)
  const run = useOneAtATime()
  const remove = async ({ name }: ScheduleView) => {
    const isGone = await change(async () => (await client.deleteSchedule(name)) ?? true)
    close()
    if (isGone) notify(text.schedules.isDeleted)
  }
  return (
    <>
      <div className="page-head">
        <h1>{text.schedules.title}</h1>
        <ForChanges>
          <button type="button" onClick={() => setOpen({ kind: 'new' })}>
            <Icon name="plus" />
            {text.schedules.new}
          </button>
        </ForChanges>
      </div>
      <Unread query={list} lines={4} />
      {list.data?.length === 0 && (
        <Empty title={text.schedules.empty}>
          <p>{text.schedules.emptyText}</p>
        </Empty>
      )}
      {list.data && list.data.length > 0 && (
        <ScheduleTable list={list.data} ticks={ticks.data} onOpen={setOpen} />
      )}
      {open && (
        <OpenDialog
          open={open}
          ticks={ticks.data}
          onClose={close}
          onDelete={(schedule) => run(() => remove(schedule))}
        />
      )}
    </>
  )
}

function OpenDialog(props: {
  open: Open
  ticks: readonly ScheduleTicks[] | undefined
  onClose: () => void
  onDelete: (schedule: ScheduleView) => void
}) {
  const { open, ticks, onClose, onDelete } = props
  const text = useText()
  if (open.kind === 'new' || open.kind === 'edit') {
    return <ScheduleDialog {...(open.kind === 'edit' ? { schedule: open.schedule } : {})} onClose={onClose} />
  }
  const { schedule } = open
  const { name, declared } = schedule
  if (open.kind === 'ticks') {
    const own = ticks?.find((one) => one.name === name) ?? { name, past: [], next: [] }
    return <TicksDialog schedule={schedule} ticks={own} onClose={onClose} />
  }
  return (
    <Confirm
      title={text.schedules.confirmDelete(name)}
      details={[text.schedules.confirmDeleteText, ...(declared ? [text.schedules.inCodeText] : [])].join(' ')}
      action={text.actions.delete}
      danger
      onConfirm={() => onDelete(schedule)}
      onClose={onClose}
    />
  )
}

function ScheduleTable(props: {
  list: readonly ScheduleView[]
  ticks: readonly ScheduleTicks[] | undefined
  onOpen: (open: Open) => void
}) {
  const { list, ticks, onOpen } = props
  const text = useText()
  return (
    <div className="card table-card">
      <table className="plain schedules">
        <TableHead
          columns={[
            text.schedules.name,
            text.schedules.cron,
            text.schedules.next,
            text.schedules.last,
            text.schedules.enabled,
          ]}
        />
        <tbody>
          {list.map((schedule) => (
            <ScheduleRow
              key={schedule.name}
              schedule={schedule}
              ticks={ticks?.find(({ name }) => name === schedule.name)}
              onOpen={onOpen}
            />
          ))}
        </tbody>
      </table>
    </div>
  )
}

interface RowProps {
  schedule: ScheduleView
  ticks: ScheduleTicks | undefined
  onOpen: (open: Open) => void
}

function ScheduleRow(props: RowProps) {
  const { schedule, ticks, onOpen } = props
  const text = useText()
  const isReadOnly = useReadOnly()
  const { name, cron, timeZone, taskType, enabled, declared, nextRunAt, lastError } = schedule
  const toggle = () => change(() => client.changeSchedule(name, { enabled: !enabled }))
  return (
    <tr>
      <td className="foreign">
        <span className="strong">{visible(name)}</span>{' '}
        {declared && (
          <span className="badge" title={text.schedules.inCodeText}>
            {text.schedules.inCode}
          </span>
        )}
        <Link className="muted small block" to={{ type: taskType }}>
          {visible(taskType)}
        </Link>
        {lastError !== null && (
          <span className="schedule-error small" title={titleOf(lastError)}>
            {text.schedules.lastError(titleOf(lastError))}
          </span>
        )}
      </td>
      <td className="foreign">
        <code>{visible(cron)}</code>
        <span className="muted small block">{visible(timeZone)}</span>
      </td>
      <td data-label={text.schedules.next}>
        {nextRunAt === null ? <span className="muted">{text.detail.none}</span> : <Ago at={nextRunAt} />}
      </td>
      <td data-label={text.schedules.last}>
        <LastRun schedule={schedule} />
        {ticks && <TicksButton ticks={ticks} onClick={() => onOpen({ kind: 'ticks', schedule })} />}
      </td>
      <td data-label={text.schedules.enabled}>
        <input
          type="checkbox"
          className="switch"
          checked={enabled}
          disabled={isReadOnly}
          aria-label={`${text.schedules.enabled}: ${name}`}
          onChange={() => void toggle()}
        />
      </td>
      <td className="row-actions">
        <ForChanges>
          <RowActions {...props} />
        </ForChanges>
      </td>
    </tr>
  )
}

function TicksButton({ ticks, onClick }: { ticks: ScheduleTicks; onClick: () => void }) {
  const text = useText()
  const words = text.schedules.ticksOf(ticks.name)
  return (
    <button type="button" className="ghost ticks-button" aria-label={words} title={words} onClick={onClick}>
      <TickStrip past={ticks.past} />
    </button>
  )
}

function LastRun({ schedule: { lastRunAt, lastTaskId } }: { schedule: ScheduleView }) {
  const text = useText()
  if (lastRunAt === null) return <span className="muted">{text.schedules.never}</span>
  if (lastTaskId === null) return <Ago at={lastRunAt} />
  return (
    <Link to={{ task: lastTaskId }}>
      <Ago at={lastRunAt} />
    </Link>
  )
}

function RowActions({ schedule, onOpen }: RowProps) {
  const text = useText()
  const { name } = schedule
  const run = useOneAtATime()
  const make = async () => {
    const made = await change(() => client.runSchedule(name))
    if (made) notify(text.schedules.runs, 'done', { to: { task: made.taskId } })
  }
  return (
    <>
      <button type="button" className="small" onClick={() => run(make)}>
        <Icon name="play" />
        {text.schedules.runNow}
        <span className="visually-hidden"> {name}</span>
      </button>
      <button
        type="button"
        className="ghost icon-only"
        aria-label={`${text.schedules.edit}: ${name}`}
        title={text.schedules.edit}
        onClick={() => onOpen({ kind: 'edit', schedule })}
      >
        <Icon name="edit" />
      </button>
      <button
        type="button"
        className="ghost icon-only"
        aria-label={`${text.actions.delete}: ${name}`}
        title={text.actions.delete}
        onClick={() => onOpen({ kind: 'delete', schedule })}
      >
        <Icon name="trash" />
      </button>
    </>
  )
}
