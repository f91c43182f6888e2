import { useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { type TaskChangeRequest, type TaskDetail, TasksApiError } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { Dialog } from '../../components/dialog.tsx'
import { FieldFrame, RefusalContext } from '../../components/field.tsx'
import { InstantInput } from '../../components/instant-input.tsx'
import { describeError, useText } from '../../i18n/text.ts'
import { type Problems, sortProblems } from '../../params/draft.ts'
import type { JsonSchema } from '../../params/field.ts'
import { ParamsForm } from '../../params/params-form.tsx'
import { type ParamsDraft, useParams } from '../../params/use-params.ts'
import { findUnreadable, useRefusal } from '../../params/use-refusal.ts'
import { useKept } from '../../state/kept.ts'
import { typesQuery } from '../../state/queries.ts'
import { notify } from '../../state/toasts.ts'

interface Props {
  task: TaskDetail
  onClose: () => void
  onChange: (task: TaskDetail) => void
}

interface Draft {
  readonly priority: string
  readonly runAt: string
}

/** Changes a pending task. Only what was edited is sent: another person may have changed the rest meanwhile. */
export function ChangeDialog(props: Props) {
  const text = useText()
  return (
    <Dialog title={text.detail.changeTitle} onClose={props.onClose} wide isForm>
      <ChangeForm {...props} />
    </Dialog>
  )
}

const NO_SCHEMA = {}

function ChangeForm({ task, onClose, onChange }: Props) {
  const text = useText()
  const { form, refusal, refuse } = useRefusal()
  const [isBusy, setBusy] = useState(false)
  const type = useQuery(typesQuery).data?.find(({ taskType }) => taskType === task.taskType)
  // As the dialog opened: the task behind it may change.
  const [start] = useState(task)
  const before = draftOf(start)
  const [draft, setDraft] = useKept<Draft>(`change ${task.taskId}`, () => before)
  const params = useParams({
    key: `change ${task.taskId}`,
    taskType: task.taskType,
    schema: (type?.params ?? NO_SCHEMA) as JsonSchema,
    start: start.params,
    hidden: 'asked',
  })
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (findUnreadable(form.current)) return refuse({ params: {}, others: {}, message: text.form.unreadable })
    const read = params.isChanged ? params.read(text) : { params: undefined, problems: {} }
    if (Object.keys(read.problems).length > 0) {
      return refuse({ params: read.problems, others: {}, message: text.form.problems })
    }
    const changes = findChanges(before, draft, read.params)
    if (Object.keys(changes).length === 0) return onClose()
    setBusy(true)
    try {
      onChange(await client.updateTask(task.taskId, changes))
      notify(text.detail.isChanged)
      onClose()
    } catch (error) {
      if (!(error instanceof TasksApiError)) throw error
      setBusy(false)
      const message = error.errors.length > 0 ? text.form.problems : describeError(error, text)
      refuse({ ...sortProblems(error.errors), message })
    }
  }
  return (
    <RefusalContext value={refusal}>
      <form ref={form} noValidate onSubmit={(event) => void submit(event)}>
        <WhenFields draft={draft} problems={refusal.others} onDraft={setDraft} />
        <ParamFields params={params} problems={refusal.params} />
        <p className="field-problem" role="alert">
          {refusal.message}
        </p>
        <footer>
          <button type="button" onClick={onClose}>
            {text.app.cancel}
          </button>
          <button type="submit" className="primary" disabled={isBusy}>
            {text.detail.changeIt}
          </button>
        </footer>
      </form>
    </RefusalContext>
  )
}

function ParamFields({ params, problems }: { params: ParamsDraft; problems: Problems }) {
  const text = useText()
  const { fields, drafts, change } = params
  return (
    <fieldset>
      <legend>{text.form.params}</legend>
      {fields.length === 0 && <p className="hint">{text.form.noParams}</p>}
      <ParamsForm fields={fields} drafts={drafts} problems={problems} onChange={change} />
    </fieldset>
  )
}

function draftOf({ priority, runAt }: TaskDetail): Draft {
  return { priority: String(priority), runAt: runAt.toISOString() }
}

function findChanges(
  before: Draft,
  { priority, runAt }: Draft,
  params: Record<string, unknown> | undefined,
): TaskChangeRequest {
  return {
    ...(priority.trim() === '' || priority === before.priority ? {} : { priority: Number(priority) }),
    ...(runAt === '' || runAt === before.runAt ? {} : { runAt: new Date(runAt) }),
    ...(params === undefined ? {} : { params }),
  }
}

function WhenFields(props: { draft: Draft; problems: Problems; onDraft: (draft: Draft) => void }) {
  const { draft, problems, onDraft } = props
  const text = useText()
  return (
    <div className="options">
      <FieldFrame label={text.form.priority} hint={text.form.priorityHint} problem={problems.priority}>
        {(control) => (
          <input
            {...control}
            type="number"
            inputMode="numeric"
            value={draft.priority}
            onChange={(event) => onDraft({ ...draft, priority: event.target.value })}
          />
        )}
      </FieldFrame>
      <FieldFrame label={text.form.runAt} problem={problems.runAt}>
        {(control) => (
          <InstantInput {...control} value={draft.runAt} onChange={(runAt) => onDraft({ ...draft, runAt })} />
        )}
      </FieldFrame>
    </div>
  )
}
