import { type ControlProps, FieldFrame } from '../components/field.tsx'
import { InstantInput } from '../components/instant-input.tsx'
import { useText } from '../i18n/text.ts'
import type { Draft, Drafts, Problems } from './draft.ts'
import type { Field } from './field.ts'

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
          draft={drafts[field.name] === undefined ? '' : (drafts[field.name] ?? null)}
          problem={problems[field.name]}
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
  const { name, description, fallback, isRequired, isNullable, kind } = field
  const hints = [description]
  if (fallback !== undefined && kind !== 'choice') hints.push(text.form.defaultIs(showValue(fallback)))
  if (kind === 'list') hints.push(text.form.lines)
  const hasNullBox = isNullable && kind !== 'choice'
  return (
    <FieldFrame
      label={name}
      note={isRequired ? undefined : text.form.optional}
      hint={hints.filter((hint) => hint !== undefined).join(' ')}
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
              <span className="visually-hidden"> {name}</span>
            </label>
          )}
        </div>
      )}
    </FieldFrame>
  )
}

function Control({ field, draft, onChange, control }: ParamProps & { control: ControlProps }) {
  const { kind, limits, isRequired } = field
  const common = {
    ...control,
    value: draft ?? '',
    disabled: draft === null,
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
      return (
        <input
          {...common}
          type="number"
          inputMode={kind === 'integer' ? 'numeric' : 'decimal'}
          step={kind === 'integer' ? 1 : 'any'}
          {...(limits.min === undefined ? {} : { min: limits.min })}
          {...(limits.max === undefined ? {} : { max: limits.max })}
        />
      )
    case 'list':
      return <textarea {...common} rows={3} spellCheck={false} />
    case 'json':
      return <textarea {...common} rows={4} className="code" placeholder="{ }" spellCheck={false} />
    default:
      return (
        <input
          {...common}
          type="text"
          spellCheck={false}
          autoComplete="off"
          {...(limits.maxLength === undefined ? {} : { maxLength: limits.maxLength })}
        />
      )
  }
}

/** Two states where there is a default to start from; three where leaving it out says something else. */
function Flag({ field, draft, onChange, control }: ParamProps & { control: ControlProps }) {
  const text = useText()
  const { fallback, isRequired } = field
  if (isRequired || typeof fallback === 'boolean') {
    const isOn = draft === '' || draft === null ? fallback === true : draft === 'true'
    return (
      <input
        {...control}
        type="checkbox"
        className="switch"
        checked={isOn}
        disabled={draft === null}
        onChange={(event) => onChange(event.target.checked === fallback ? '' : String(event.target.checked))}
      />
    )
  }
  return (
    <select
      {...control}
      value={draft ?? ''}
      disabled={draft === null}
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
      value={draft ?? NULL_OPTION}
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

function showValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
