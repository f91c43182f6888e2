import { FieldFrame } from '../../components/field.tsx'

/** `isShown`: the person has asked to see what is typed. */
export function PasswordField(props: {
  label: string
  autoComplete: 'current-password' | 'new-password'
  value: string
  isShown?: boolean
  hint?: string
  problem?: string | undefined
  onChange: (value: string) => void
}) {
  const { label, autoComplete, value, isShown = false, hint, problem, onChange } = props
  return (
    <FieldFrame label={label} hint={hint} problem={problem}>
      {(control) => (
        <input
          {...control}
          type={isShown ? 'text' : 'password'}
          autoComplete={autoComplete}
          spellCheck={false}
          maxLength={1_000}
          required
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </FieldFrame>
  )
}
