import { useQuery } from '@tanstack/react-query'
import { type ScheduleView, TasksApiError, type TaskTypeView } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { Dialog } from '../../components/dialog.tsx'
import { FieldFrame, RefusalContext } from '../../components/field.tsx'
import type { Dictionary } from '../../i18n/en.ts'
import { describeError, useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { type Problems, sortProblems } from '../../params/draft.ts'
import type { JsonSchema } from '../../params/field.ts'
import { ParamsForm } from '../../params/params-form.tsx'
import { type ParamsDraft, useParams } from '../../params/use-params.ts'
import { findUnreadable, useRefusal } from '../../params/use-refusal.ts'
import { useKept } from '../../state/kept.ts'
import { queryClient, typesQuery } from '../../state/queries.ts'
import { notify } from '../../state/toasts.ts'
import { useOneAtATime } from '../../state/use-one-at-a-time.ts'
import { CronPreview } from './cron-preview.tsx'

const MISSED = ['skip', 'once', 'all'] as const

const NOTHING = {}

interface Draft {
  readonly name: string
  readonly cron: string
  readonly timeZone: string
  readonly taskType: string
  readonly missed: (typeof MISSED)[number]
}

interface DialogProps {
  schedule?: ScheduleView
  onClose: () => void
}

export function ScheduleDialog(props: DialogProps) {
  const { schedule, onClose } = props
  const text = useText()
  const types = useQuery(typesQuery).data ?? []
  const [draft, setDraft] = useKept<Draft>(`schedule ${schedule?.name ?? ''} fields`, () => ({
    name: schedule?.name ?? '',
    cron: schedule?.cron ?? '',
    timeZone: schedule?.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
    taskType: schedule?.taskType ?? types[0]?.taskType ?? '',
    missed: schedule?.missed ?? 'skip',
  }))
  const type = types.find(({ taskType }) => taskType === draft.taskType)
  return (
    <Dialog title={schedule ? text.schedules.edit : text.schedules.new} onClose={onClose} wide isForm>
      {schedule?.declared && <p className="hint">{text.schedules.inCodeText}</p>}
      <ScheduleForm {...props} type={type} types={types} draft={draft} onDraft={setDraft} />
    </Dialog>
  )
}

interface FormProps extends DialogProps {
  type: TaskTypeView | undefined
  types: readonly TaskTypeView[]
  draft: Draft
  onDraft: (draft: Draft) => void
}

function ScheduleForm(props: FormProps) {
  const { schedule, onClose, type, draft } = props
  const text = useText()
  const { form, refusal, refuse } = useRefusal()
  const params = useParams({
    key: `schedule ${schedule?.name ?? ''}`,
    taskType: draft.taskType,
    schema: (type?.params ?? NOTHING) as JsonSchema,
    start: schedule?.taskType === draft.taskType ? schedule.params : NOTHING,
    hidden: 'kept',
  })
  const run = useOneAtATime()
  const submit = async () => {
    if (findUnreadable(form.current)) return refuse({ params: {}, others: {}, message: text.form.unreadable })
    const hasNewParams = params.isChanged || draft.taskType !== schedule?.taskType
    const read = hasNewParams ? params.read(text) : { params: undefined, problems: {} }
    const others = findMissing(draft, text)
    if (Object.keys({ ...read.problems, ...others }).length > 0) {
      return refuse({ params: read.problems, others, message: text.form.problems })
    }
    try {
      await save(schedule, draft, read.params)
      void queryClient.invalidateQueries()
      notify(text.schedules.isSaved)
      onClose()
    } catch (error) {
      if (!(error instanceof TasksApiError)) throw error
      const message = error.errors.length > 0 ? text.form.problems : describeError(error, text)
      refuse({ ...sortProblems(error.errors), message })
    }
  }
  return (
    <RefusalContext value={refusal}>
      <form
        ref={form}
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          run(submit)
        }}
      >
        <ScheduleFields {...props} problems={refusal.others} />
        <ScheduleParams params={params} problems={refusal.params} />
        <p className="field-problem" role="alert">
          {refusal.message}
        </p>
        <footer>
          <button type="button" onClick={onClose}>
            {text.app.cancel}
          </button>
          <button type="submit" className="primary">
            {schedule ? text.schedules.save : text.schedules.create}
          </button>
        </footer>
      </form>
    </RefusalContext>
  )
}

function findMissing(draft: Draft, text: Dictionary): Problems {
  const missing = Object.entries(draft).filter(([, value]) => value.trim() === '')
  return Object.fromEntries(missing.map(([name]) => [name, text.form.required]))
}

/** Of a schedule that is there, only what was edited: another person may have changed the rest meanwhile. */
async function save(
  schedule: ScheduleView | undefined,
  draft: Draft,
  params: Record<string, unknown> | undefined,
): Promise<void> {
  const newParams = params === undefined ? {} : { params }
  if (!schedule) {
    await client.createSchedule({ ...draft, ...newParams })
    return
  }
  const { cron, timeZone, taskType, missed } = draft
  const changes = {
    ...(cron === schedule.cron ? {} : { cron }),
    ...(timeZone === schedule.timeZone ? {} : { timeZone }),
    ...(taskType === schedule.taskType ? {} : { taskType }),
    ...(missed === schedule.missed ? {} : { missed }),
    ...newParams,
  }
  if (Object.keys(changes).length > 0) await client.changeSchedule(schedule.name, changes)
}

function ScheduleParams({ params, problems }: { params: ParamsDraft; problems: Problems }) {
  const text = useText()
  return (
    <fieldset>
      <legend>{text.form.params}</legend>
      <p className="hint">{params.fields.length === 0 ? text.form.noParams : text.schedules.paramsHint}</p>
      <ParamsForm
        fields={params.fields}
        drafts={params.drafts}
        problems={problems}
        onChange={params.change}
      />
    </fieldset>
  )
}

function ScheduleFields({ schedule, types, draft, onDraft, problems }: FormProps & { problems: Problems }) {
  const text = useText()
  const change = (part: Partial<Draft>) => onDraft({ ...draft, ...part })
  const offered = types.map(({ taskType }) => taskType)
  if (draft.taskType !== '' && !offered.includes(draft.taskType)) offered.push(draft.taskType)
  return (
    <div className="options">
      {!schedule && (
        <FieldFrame label={text.schedules.name} problem={problems.name}>
          {(control) => (
            <input
              {...control}
              value={draft.name}
              spellCheck={false}
              autoComplete="off"
              onChange={(event) => change({ name: event.target.value })}
            />
          )}
        </FieldFrame>
      )}
      <FieldFrame label={text.form.type} problem={problems.taskType}>
        {(control) => (
          <select
            {...control}
            value={draft.taskType}
            onChange={(event) => change({ taskType: event.target.value })}
          >
            {offered.map((one) => (
              <option key={one} value={one}>
                {visible(one)}
              </option>
            ))}
          </select>
        )}
      </FieldFrame>
      <CronFields draft={draft} problems={problems} change={change} />
    </div>
  )
}

function CronFields(props: { draft: Draft; problems: Problems; change: (part: Partial<Draft>) => void }) {
  const { draft, problems, change } = props
  const text = useText()
  return (
    <>
      <FieldFrame label={text.schedules.cron} hint={text.schedules.cronHint} problem={problems.cron}>
        {(control) => (
          <input
            {...control}
            className="code"
            value={draft.cron}
            spellCheck={false}
            autoComplete="off"
            onChange={(event) => change({ cron: event.target.value })}
          />
        )}
      </FieldFrame>
      <FieldFrame label={text.schedules.timeZone} problem={problems.timeZone}>
        {(control) => (
          <>
            <input
              {...control}
              value={draft.timeZone}
              list="time-zones"
              spellCheck={false}
              onChange={(event) => change({ timeZone: event.target.value })}
            />
            <datalist id="time-zones">
              {Intl.supportedValuesOf('timeZone').map((zone) => (
                <option key={zone} value={zone} />
              ))}
            </datalist>
          </>
        )}
      </FieldFrame>
      <CronPreview cron={draft.cron} timeZone={draft.timeZone} />
      <FieldFrame label={text.schedules.missed} problem={problems.missed}>
        {(control) => (
          <select
            {...control}
            value={draft.missed}
            onChange={(event) =>
              change({ missed: MISSED.find((one) => one === event.target.value) ?? 'skip' })
            }
          >
            {MISSED.map((one) => (
              <option key={one} value={one}>
                {text.schedules.missedOptions[one]}
              </option>
            ))}
          </select>
        )}
      </FieldFrame>
    </>
  )
}
