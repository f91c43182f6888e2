import { type FormEvent, useRef, useState } from 'react'
import { TasksApiError } from '../../client/index.ts'
import { client } from '../client.ts'
import type { Dictionary } from '../i18n/en.ts'
import { describeError, useText } from '../i18n/text.ts'
import { loginHref } from '../settings.ts'
import { dropKept } from '../state/kept.ts'
import { useRoute } from '../state/route.ts'
import { beginHostSession, lastCaller, tryToken, wasAccepted, whatEnded } from '../state/session.ts'

/** The host decides who gets in, in its own way; a program's token is one that works here, too. */
export function HostLogin() {
  const text = useText()
  // The way back is where the page is now.
  useRoute()
  const [problem, setProblem] = useState<string>()
  const [isBusy, setBusy] = useState(false)
  const enter = async (token: string | null) => {
    tryToken(token)
    setBusy(true)
    try {
      const [{ id }] = await Promise.all([client.getCaller(), client.getStats()])
      if (id === null || id !== lastCaller()) dropKept()
      beginHostSession(token)
    } catch (error) {
      if (!(error instanceof TasksApiError)) throw error
      setProblem(describeHostLogin(error, token, text))
      setBusy(false)
    }
  }
  const ended = problem === undefined ? whatEnded() : null
  const href = loginHref()
  return (
    <>
      <h1>{text.login.hostTitle}</h1>
      {ended !== null && (
        <p role="status">{ended === 'token' ? text.login.expiredToken : text.login.ended}</p>
      )}
      <p>{href === '' ? text.login.hostText : text.login.hostLinkText}</p>
      {href === '' ? (
        <button type="button" disabled={isBusy} onClick={() => void enter(null)}>
          {text.login.reload}
        </button>
      ) : (
        <a className="button primary" href={href}>
          {text.login.submit}
        </a>
      )}
      <TokenForm isBusy={isBusy} problem={problem} onProblem={setProblem} onToken={enter} />
    </>
  )
}

function TokenForm(props: {
  isBusy: boolean
  problem: string | undefined
  onProblem: (problem: string) => void
  onToken: (token: string) => Promise<void>
}) {
  const { isBusy, problem, onProblem, onToken } = props
  const text = useText()
  const input = useRef<HTMLInputElement>(null)
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    const token = input.current?.value.trim() ?? ''
    if (token !== '') return onToken(token)
    onProblem(text.login.enterToken)
    input.current?.focus()
  }
  return (
    <form noValidate onSubmit={(event) => void submit(event)}>
      <label>
        {text.login.token}
        <input
          ref={input}
          name="token"
          type="password"
          autoComplete="off"
          spellCheck={false}
          aria-describedby="token-hint"
        />
      </label>
      <p id="token-hint" className="hint">
        {text.login.tokenHint}
      </p>
      <p className="field-problem" role="alert">
        {problem}
      </p>
      <button type="submit" disabled={isBusy}>
        {text.login.useToken}
      </button>
    </form>
  )
}

function describeHostLogin(error: TasksApiError, token: string | null, text: Dictionary): string {
  if (token === null && error.status === 401) return text.login.stillOut
  // 400: it is not even written as a token of the host is.
  if (token !== null && (error.status === 401 || error.status === 400))
    return wasAccepted(token) ? text.login.expiredToken : text.login.refusedToken
  if (error.status === 403) return text.login.notAllowed
  return error.status === 0 ? text.login.unreachable : describeError(error, text)
}
