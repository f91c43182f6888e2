import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { OpenSessionView } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { Confirm } from '../../components/dialog.tsx'
import { Unread } from '../../components/notice.tsx'
import { TableHead } from '../../components/table-head.tsx'
import { Ago } from '../../components/time.tsx'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { every } from '../../state/queries.ts'
import { forgetPerson, leaveSession } from '../../state/session.ts'
import { attempt, change, notify } from '../../state/toasts.ts'
import { useOneAtATime } from '../../state/use-one-at-a-time.ts'

export function SessionsCard() {
  const text = useText()
  const list = useQuery({
    queryKey: ['sessions'],
    queryFn: ({ signal }) => client.listSessions({ signal }),
    refetchInterval: every(30_000),
  })
  const [isAsking, setAsking] = useState(false)
  const run = useOneAtATime()
  const endAll = async () => {
    const stay = forgetPerson()
    if ((await attempt(async () => (await client.endAllSessions()) ?? true)) === undefined) return stay()
    leaveSession()
  }
  return (
    <section className="card table-card">
      <div className="card-head">
        <h2>{text.account.sessions}</h2>
        <button type="button" className="small" onClick={() => setAsking(true)}>
          {text.account.endAll}
        </button>
      </div>
      <Unread query={list} lines={2} />
      {list.data && (
        <table className="plain">
          <TableHead
            columns={[
              text.account.browser,
              text.account.address,
              text.account.loggedIn,
              text.account.lastUsed,
            ]}
          />
          <tbody>
            {list.data.map((one) => (
              <SessionRow key={one.id} session={one} />
            ))}
          </tbody>
        </table>
      )}
      {isAsking && (
        <Confirm
          title={text.account.confirmEndAll}
          details={text.account.confirmEndAllText}
          action={text.account.endAll}
          danger
          onConfirm={() => run(endAll)}
          onClose={() => setAsking(false)}
        />
      )}
    </section>
  )
}

function SessionRow({ session }: { session: OpenSessionView }) {
  const text = useText()
  const { id, userAgent, address, createdAt, lastUsedAt, current } = session
  const run = useOneAtATime()
  const browser = userAgent === null ? text.account.unknown : visible(userAgent)
  const end = async () => {
    if (await change(async () => (await client.endSession(id)) ?? true)) notify(text.account.isEnded)
  }
  return (
    <tr>
      <td className="foreign">
        {browser} {current && <span className="badge">{text.account.thisOne}</span>}
      </td>
      <td data-label={text.account.address}>{address ?? text.account.unknown}</td>
      <td data-label={text.account.loggedIn}>
        <Ago at={createdAt} />
      </td>
      <td data-label={text.account.lastUsed}>
        <Ago at={lastUsedAt} />
      </td>
      <td className="row-actions">
        {!current && (
          <button type="button" className="small" onClick={() => run(end)}>
            {text.account.end}
            <span className="visually-hidden"> {browser}</span>
          </button>
        )}
      </td>
    </tr>
  )
}
