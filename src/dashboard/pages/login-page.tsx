import { type FormEvent, useState } from 'react'
import { TasksApiError } from '../../client/index.ts'
import { client } from '../client.ts'
import { Switches } from '../components/header.tsx'
import { HostBar } from '../components/host-bar.tsx'
import type { Dictionary } from '../i18n/en.ts'
import { describeError, useText } from '../i18n/text.ts'
import { HAS_LOGIN } from '../settings.ts'
import { dropKept } from '../state/kept.ts'
import { beginSession, lastPerson, whatEnded } from '../state/session.ts'
import { useTitle } from '../state/use-title.ts'
import { HostLogin } from './host-login.tsx'

export function LoginPage() {
  useTitle(useText().login.title)
  return (
    <div className="login">
      <header className="login-head">
        <HostBar />
        <Switches />
      </header>
      <main className="login-card">{HAS_LOGIN ? <PasswordForm /> : <HostLogin />}</main>
    </div>
  )
}

function PasswordForm() {
  const text = useText()
  const [problem, setProblem] = useState<string>()
  const [isBusy, setBusy] = useState(false)

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const data = new FormData(event.currentTarget)
    setBusy(true)
    try {
      const username = readText(data, 'username')
      await client.login({ username, password: readText(data, 'password') })
      if (username !== lastPerson()) dropKept()
      beginSession(username)
    } catch (error) {
      if (!(error instanceof TasksApiError)) throw error
      setProblem(describeLogin(error, text))
      setBusy(false)
    }
  }
  return (
    <form onSubmit={(event) => void submit(event)}>
      <h1>{text.login.title}</h1>
      {whatEnded() && <p role="status">{text.login.ended}</p>}
      <label>
        {text.login.username}
        <input
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          // biome-ignore lint/a11y/noAutofocus: there is nothing else to do on this page
          autoFocus
        />
      </label>
      <label>
        {text.login.password}
        <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <p className="field-problem" role="alert">
        {problem}
      </p>
      <button type="submit" className="primary" disabled={isBusy}>
        {text.login.submit}
      </button>
    </form>
  )
}

function readText(data: FormData, name: string): string {
  const value = data.get(name)
  return typeof value === 'string' ? value : ''
}

function describeLogin(error: TasksApiError, text: Dictionary): string {
  if (error.status === 401) return text.login.wrong
  if (error.status === 429) return text.login.tooMany
  return error.status === 0 ? text.login.unreachable : describeError(error, text)
}
