import { createContext, type ReactNode, useContext, useId, useState } from 'react'
import { visible } from '../i18n/visible.ts'

export interface ControlProps {
  id: string
  'aria-describedby': string | undefined
  'aria-invalid': boolean | undefined
}

/** Why the form was refused last: a problem is that of what was entered then. */
export const RefusalContext = createContext<unknown>(undefined)

/** A label, a control, what there is to know about it, and what is wrong with it. */
export function FieldFrame(props: {
  label: string
  note?: string | undefined
  hint?: ReactNode
  problem?: string | undefined
  children: (control: ControlProps) => ReactNode
}) {
  const { label, note, hint, children } = props
  const id = useId()
  const refusal = useContext(RefusalContext)
  const [changedSince, setChangedSince] = useState<unknown>()
  const problem = refusal !== undefined && changedSince === refusal ? undefined : props.problem
  const described = [hint ? `${id}-hint` : '', problem ? `${id}-problem` : '']
    .filter((one) => one !== '')
    .join(' ')
  return (
    <div className={problem ? 'field has-problem' : 'field'} onInput={() => setChangedSince(refusal)}>
      <label htmlFor={id}>
        {label}
        {note && <span className="note">{note}</span>}
      </label>
      {children({
        id,
        'aria-describedby': described || undefined,
        'aria-invalid': problem ? true : undefined,
      })}
      {problem && (
        <p className="field-problem" id={`${id}-problem`}>
          {visible(problem)}
        </p>
      )}
      {hint && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  )
}
