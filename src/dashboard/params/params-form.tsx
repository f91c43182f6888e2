import { type ControlProps, FieldFrame } from '../components/field.tsx'
import { InstantInput } from '../components/instant-input.tsx'
import type { Dictionary } from '../i18n/en.ts'
import { useText } from '../i18n/text.ts'
import { visible } from '../i18n/visible.ts'
import { type Draft, type Drafts, draftOf, type Problems } from './draft.ts'
import type { Field } from './field.ts'
import { TextControl } from './text-control.tsx'

/** A form for the params of a task type. */
export function ParamsForm(props: {
  fields: readonly Field[]
  drafts: Drafts
  problems: Problems
  onChange: (name: string, draft: Draft) => void
}) {
  const { fields, drafts, problems, onChange } = props
  return (
    <>
      {fields.map((field) => (
        <ParamField
          key={field.name}
          field={field}
          draft={draftOf(drafts, field.name)}
          problem={Object.hasOwn(problems, field.name) ? problems[field.name] : undefined}
          onChange={(draft) => onChange(field.name, draft)}
        />
      ))}
    </>
  )
}

interface ParamProps {
  field: Field
  draft: Draft
  onChange: (draft: Draft) => void
}

function ParamField({ problem, ...props }: ParamProps & { problem: string | undefined }) {
  const text = useText()
  const { field, draft, onChange } = props
  const { isRequired, isNullable, kind, reason } = field
  const label = reason === 'rest' ? text.form.otherParams : visible(field.name)
  const hasNullBox = isNullable && kind !== 'choice' && kind !== 'json'
  return (
    <FieldFrame
      label={label}
      note={isRequired ? undefined : text.form.optional}
      hint={describeField(field, text)}
      problem={problem}
    >
      {(control) => (
        <div className="control">
          <Control {...props} control={control} />
          {hasNullBox && (
            <label className="null-box">
              <input
                type="checkbox"
                checked={draft === null}
                onChange={(event) => onChange(event.target.checked ? null : '')}
              />
              <code>{text.form.nullValue}</code>
              <span className="visually-hidden"> {label}</span>
            </label>
          )}
          {reason === 'asked' && !isRequired && (
            <label className="null-box">
              <input
                type="checkbox"
                checked={draft === undefined}
                onChange={(event) => onChange(event.target.checked ? undefined : '')}
              />
              {text.form.leaveOut}
              <span className="visually-hidden"> {label}</span>
            </label>
          )}
        </div>
      )}
    </FieldFrame>
  )
}

function describeField({ description, fallback, kind, reason }: Field, text: Dictionary): string {
  const hints = [description]
  if (fallback !== undefined && kind !== 'choice') hints.push(text.form.defaultIs(showValue(fallback)))
  if (kind === 'list') hints.push(text.form.lines)
  if (reason !== undefined) hints.push(text.form.reasons[reason])
  return visible(hints.filter((hint) => hint !== undefined).join(' '))
}

function Control({ field, draft, onChange, control }: ParamProps & { control: ControlProps }) {
  const { kind, isRequired } = field
  const common = {
    ...control,
    value: draft ?? '',
    disabled: draft === null || draft === undefined,
    onChange: (event: { target: { value: string } }) => onChange(event.target.value),
  }
  switch (kind) {
    case 'flag':
      return <Flag field={field} draft={draft} onChange={onChange} control={control} />
    case 'choice':
      return <Choice field={field} draft={draft} onChange={onChange} control={control} />
    case 'date':
      return <input {...common} type="date" required={isRequired} />
    case 'instant':
      return <InstantInput {...common} value={draft ?? ''} onChange={onChange} />
    case 'number':
    case 'integer':
      // As text: a number control hides what it cannot read, and its wheel changes values.
      return (
        <input
          {...common}
          type="text"
          inputMode={kind === 'integer' ? 'numeric' : 'decimal'}
          autoComplete="off"
        />
      )
    case 'list':
      return <textarea {...common} rows={3} spellCheck={false} />
    case 'json':
      return <textarea {...common} rows={4} className="code" placeholder="{ }" spellCheck={false} />
    default:
      return <TextControl field={field} draft={draft} onChange={onChange} control={control} />
  }
}

/** Two states where there is a default to start from; three where leaving it out means something else. */
function Flag({ field, draft, onChange, control }: ParamProps & { control: ControlProps }) {
  const text = useText()
  const { fallback, isRequired } = field
  if (isRequired || typeof fallback === 'boolean') {
    const isOn = !draft ? fallback === true : draft === 'true'
    return (
      <input
        {...control}
        type="checkbox"
        className="switch"
        checked={isOn}
        disabled={draft === null || draft === undefined}
        onChange={(event) => onChange(event.target.checked === fallback ? '' : String(event.target.checked))}
      />
    )
  }
  return (
    <select
      {...control}
      value={draft ?? ''}
      disabled={draft === null || draft === undefined}
      onChange={(event) => onChange(event.target.value)}
    >
      <option value="">{text.form.notSet}</option>
      <option value="true">{text.form.yes}</option>
      <option value="false">{text.form.no}</option>
    </select>
  )
}

const NULL_OPTION = 'null'

function Choice({ field, draft, onChange, control }: ParamProps & { control: ControlProps }) {
  const text = useText()
  const { options, fallback, isRequired, isNullable } = field
  const empty = fallback === undefined ? text.form.notSet : text.form.defaultIs(showValue(fallback))
  return (
    <select
      {...control}
      value={draft === undefined ? '' : (draft ?? NULL_OPTION)}
      disabled={draft === undefined}
      required={isRequired}
      onChange={({ target }) => onChange(isNullable && target.value === NULL_OPTION ? null : target.value)}
    >
      <option value="">{empty}</option>
      {options.map((option) => (
        <option key={JSON.stringify(option)} value={JSON.stringify(option)}>
          {showValue(option)}
        </option>
      ))}
      {isNullable && <option value={NULL_OPTION}>{text.form.nullValue}</option>}
    </select>
  )
}

/** A default may be as long as it likes. */
const MAX_SHOWN = 100

function showValue(value: unknown): string {
  const text = visible(typeof value === 'string' ? value : JSON.stringify(value))
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}
