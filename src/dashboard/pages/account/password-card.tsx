import { useState } from 'react'
import { TasksApiError } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { describeError, useText } from '../../i18n/text.ts'
import { notify } from '../../state/toasts.ts'
import { useOneAtATime } from '../../state/use-one-at-a-time.ts'
import { PasswordField } from './password-field.tsx'

const EMPTY = { current: '', next: '' }

export function PasswordCard() {
  const text = useText()
  const [draft, setDraft] = useState(EMPTY)
  const [isShown, setShown] = useState(false)
  const [error, setError] = useState<TasksApiError>()
  const run = useOneAtATime()
  const submit = async () => {
    setError(undefined)
    try {
      await client.changePassword(draft)
      setDraft(EMPTY)
      notify(text.account.isChanged)
    } catch (thrown) {
      if (!(thrown instanceof TasksApiError)) throw thrown
      setError(thrown)
    }
  }
  const problem = error && describeError(error, text)
  const isWeak = error?.code === 'WEAK_PASSWORD'
  return (
    <section className="card">
      <form
        className="dialog-body"
        onSubmit={(event) => {
          event.preventDefault()
          run(submit)
        }}
      >
        <h2>{text.account.password}</h2>
        <PasswordField
          label={text.account.current}
          autoComplete="current-password"
          value={draft.current}
          isShown={isShown}
          problem={isWeak ? undefined : problem}
          onChange={(current) => setDraft({ ...draft, current })}
        />
        <PasswordField
          label={text.account.next}
          autoComplete="new-password"
          value={draft.next}
          isShown={isShown}
          hint={text.account.nextHint}
          problem={isWeak ? problem : undefined}
          onChange={(next) => setDraft({ ...draft, next })}
        />
        <label className="null-box">
          <input type="checkbox" checked={isShown} onChange={() => setShown(!isShown)} /> {text.account.show}
        </label>
        <footer>
          <button type="submit" className="primary">
            {text.account.change}
          </button>
        </footer>
      </form>
    </section>
  )
}
