import { type FormEvent, useState } from 'react'
import { type NewTask, type TaskDetail, TasksApiError, type TaskTypeView } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { RefusalContext } from '../../components/field.tsx'
import { describeError, useText } from '../../i18n/text.ts'
import { type Problems, sortProblems } from '../../params/draft.ts'
import type { JsonSchema } from '../../params/field.ts'
import { ParamsForm } from '../../params/params-form.tsx'
import { type ParamsDraft, useParams } from '../../params/use-params.ts'
import { findUnreadable, type Refusal, useRefusal } from '../../params/use-refusal.ts'
import { useKept } from '../../state/kept.ts'
import { go } from '../../state/route.ts'
import { notify } from '../../state/toasts.ts'
import { type OptionDrafts, OptionFields, readOptions, toOptionDrafts } from './options.tsx'

const NO_PARAMS = {}

export function TaskForm({ type, original }: { type: TaskTypeView; original?: TaskDetail }) {
  const text = useText()
  const { form, refusal, refuse } = useRefusal()
  const key = `new ${type.taskType} ${original?.taskId ?? ''}`
  const params = useParams({
    key,
    taskType: type.taskType,
    schema: type.params as JsonSchema,
    start: original?.params ?? NO_PARAMS,
    hidden: 'asked',
  })
  const [options, setOptions] = useKept<OptionDrafts>(`${key} options`, () => toOptionDrafts(original, type))
  const [isBusy, setBusy] = useState(false)

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (findUnreadable(form.current)) return refuse({ params: {}, others: {}, message: text.form.unreadable })
    const read = params.read(text)
    if (Object.keys(read.problems).length > 0) {
      return refuse({ params: read.problems, others: {}, message: text.form.problems })
    }
    const task: NewTask = { taskType: type.taskType, params: read.params, ...readOptions(options) }
    setBusy(true)
    try {
      const made = await client.createTask(task)
      notify(made.created === false ? text.form.existed : text.form.created)
      go({ task: made.taskId })
    } catch (error) {
      if (!(error instanceof TasksApiError)) throw error
      setBusy(false)
      refuse(toRefusal(error, params.fields, text.form.problems, describeError(error, text)))
    }
  }
  const hasOptions = original !== undefined || Object.values(options).some((draft) => draft !== '')
  return (
    <RefusalContext value={refusal}>
      <form ref={form} noValidate onSubmit={(event) => void submit(event)}>
        <ParamsPart params={params} problems={refusal.params} />
        <details open={hasOptions || Object.keys(refusal.others).length > 0 || undefined}>
          <summary>{text.form.options}</summary>
          <OptionFields
            drafts={options}
            type={type}
            problems={refusal.others}
            onChange={(name, draft) => setOptions({ ...options, [name]: draft })}
          />
        </details>
        <FormEnd problem={refusal.message} isBusy={isBusy} />
      </form>
    </RefusalContext>
  )
}

function ParamsPart({ params, problems }: { params: ParamsDraft; problems: Problems }) {
  const text = useText()
  return (
    <fieldset>
      <legend>{text.form.params}</legend>
      {params.fields.length === 0 && <p className="hint">{text.form.noParams}</p>}
      <ParamsForm
        fields={params.fields}
        drafts={params.drafts}
        problems={problems}
        onChange={params.change}
      />
    </fieldset>
  )
}

function FormEnd({ problem, isBusy }: { problem: string | undefined; isBusy: boolean }) {
  const text = useText()
  return (
    <div className="form-end">
      <p className="field-problem" role="alert">
        {problem}
      </p>
      <button type="submit" className="primary" disabled={isBusy}>
        {text.form.create}
      </button>
    </div>
  )
}

/** The server's error about a field is shown at that field; any other, at the button. */
function toRefusal(
  error: TasksApiError,
  fields: readonly { name: string }[],
  atFields: string,
  message: string,
): Refusal {
  const { params, others } = sortProblems(error.errors)
  const known = new Set(fields.map(({ name }) => name))
  const unplaced = Object.entries(params).filter(([name]) => !known.has(name))
  const isPlaced = error.errors.length > 0 && unplaced.length === 0
  return { params, others, message: isPlaced ? atFields : message }
}
