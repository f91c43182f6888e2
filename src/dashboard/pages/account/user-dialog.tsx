import { useState } from 'react'
import { type AccountView, TasksApiError } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { Dialog } from '../../components/dialog.tsx'
import { FieldFrame } from '../../components/field.tsx'
import { describeError, useText } from '../../i18n/text.ts'
import { queryClient } from '../../state/queries.ts'
import { notify } from '../../state/toasts.ts'
import { useOneAtATime } from '../../state/use-one-at-a-time.ts'
import { PasswordField } from './password-field.tsx'

/** Adds a user; with `user`: sets the user's password. */
export function UserDialog(props: { user?: AccountView; onClose: () => void }) {
  const { user, onClose } = props
  const text = useText()
  const [draft, setDraft] = useState<NameAndRoleDraft>({ username: '', role: 'viewer' })
  const [password, setPassword] = useState('')
  const [error, setError] = useState<TasksApiError>()
  const run = useOneAtATime()
  const submit = async () => {
    try {
      if (user) await client.changeUser(user.id, { password })
      else await client.createUser({ ...draft, password })
    } catch (thrown) {
      if (!(thrown instanceof TasksApiError)) throw thrown
      return setError(thrown)
    }
    void queryClient.invalidateQueries()
    notify(user ? text.account.isReset(user.username) : text.account.isAdded(draft.username))
    onClose()
  }
  const problem = error && describeError(error, text)
  const isWeak = error?.code === 'WEAK_PASSWORD'
  return (
    <Dialog title={user ? text.account.resetOf(user.username) : text.account.add} onClose={onClose} isForm>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          run(submit)
        }}
      >
        {user ? <p>{text.account.resetText}</p> : <NameAndRole value={draft} onChange={setDraft} />}
        <PasswordField
          label={text.account.initial}
          autoComplete="new-password"
          value={password}
          hint={text.account.nextHint}
          problem={isWeak ? problem : undefined}
          onChange={setPassword}
        />
        <p className="field-problem" role="alert">
          {isWeak ? '' : problem}
        </p>
        <footer>
          <button type="submit" className="primary">
            {user ? text.account.save : text.account.add}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}

interface NameAndRoleDraft {
  readonly username: string
  readonly role: 'admin' | 'viewer'
}

function NameAndRole(props: { value: NameAndRoleDraft; onChange: (draft: NameAndRoleDraft) => void }) {
  const { value, onChange } = props
  const text = useText()
  return (
    <>
      <FieldFrame label={text.account.name}>
        {(control) => (
          <input
            {...control}
            autoComplete="off"
            maxLength={100}
            required
            value={value.username}
            onChange={(event) => onChange({ ...value, username: event.target.value })}
          />
        )}
      </FieldFrame>
      <FieldFrame label={text.account.role}>
        {(control) => (
          <select
            {...control}
            value={value.role}
            onChange={(event) =>
              onChange({ ...value, role: event.target.value === 'admin' ? 'admin' : 'viewer' })
            }
          >
            <option value="viewer">{text.account.roles.viewer}</option>
            <option value="admin">{text.account.roles.admin}</option>
          </select>
        )}
      </FieldFrame>
    </>
  )
}
