import type { NewTask, TaskDetail, TaskTypeView } from '../../../client/index.ts'
import { FieldFrame } from '../../components/field.tsx'
import { InstantInput } from '../../components/instant-input.tsx'
import { useText } from '../../i18n/text.ts'
import type { Problems } from '../../params/draft.ts'

const NUMBERS = ['priority', 'maxRetries', 'timeoutSeconds'] as const
type NumberOption = (typeof NUMBERS)[number]

export type OptionDrafts = Readonly<Record<NumberOption | 'runAt' | 'uniqueKey', string>>

/** Empty where the type's default holds; that of another task where it is none. */
export function toOptionDrafts(original: TaskDetail | undefined, type: TaskTypeView): OptionDrafts {
  const differing = (name: NumberOption) =>
    original === undefined || original[name] === type[name] ? '' : String(original[name])
  return {
    priority: differing('priority'),
    maxRetries: differing('maxRetries'),
    timeoutSeconds: differing('timeoutSeconds'),
    runAt: '',
    uniqueKey: '',
  }
}

export function readOptions(drafts: OptionDrafts): Omit<NewTask, 'taskType' | 'params'> {
  const given = NUMBERS.filter((name) => drafts[name].trim() !== '')
  return {
    ...Object.fromEntries(given.map((name) => [name, Number(drafts[name])])),
    ...(drafts.runAt === '' ? {} : { runAt: new Date(drafts.runAt) }),
    ...(drafts.uniqueKey.trim() === '' ? {} : { uniqueKey: drafts.uniqueKey.trim() }),
  }
}

export function OptionFields(props: {
  drafts: OptionDrafts
  type: TaskTypeView
  problems: Problems
  onChange: (name: keyof OptionDrafts, draft: string) => void
}) {
  const { drafts, type, problems, onChange } = props
  const text = useText()
  const hints = { priority: text.form.priorityHint, maxRetries: undefined, timeoutSeconds: undefined }
  return (
    <div className="options">
      {NUMBERS.map((name) => (
        <FieldFrame key={name} label={text.form[name]} hint={hints[name]} problem={problems[name]}>
          {(control) => (
            <input
              {...control}
              type="number"
              inputMode="numeric"
              value={drafts[name]}
              placeholder={text.form.defaultIs(String(type[name]))}
              onChange={(event) => onChange(name, event.target.value)}
            />
          )}
        </FieldFrame>
      ))}
      <FieldFrame label={text.form.runAt} hint={text.form.runAtHint} problem={problems.runAt}>
        {(control) => (
          <InstantInput
            {...control}
            value={drafts.runAt}
            onChange={(instant) => onChange('runAt', instant)}
          />
        )}
      </FieldFrame>
      <FieldFrame label={text.form.uniqueKey} hint={text.form.uniqueKeyHint} problem={problems.uniqueKey}>
        {(control) => (
          <input
            {...control}
            value={drafts.uniqueKey}
            spellCheck={false}
            autoComplete="off"
            onChange={(event) => onChange('uniqueKey', event.target.value)}
          />
        )}
      </FieldFrame>
    </div>
  )
}
