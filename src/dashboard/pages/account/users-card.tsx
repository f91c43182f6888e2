import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { AccountView, UserChange } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { Icon } from '../../components/icon.tsx'
import { Unread } from '../../components/notice.tsx'
import { TableHead } from '../../components/table-head.tsx'
import { useText } from '../../i18n/text.ts'
import { visible } from '../../i18n/visible.ts'
import { every, meQuery } from '../../state/queries.ts'
import { change } from '../../state/toasts.ts'
import { UserDialog } from './user-dialog.tsx'

/** For admins. */
export function UsersCard() {
  const text = useText()
  const list = useQuery({
    queryKey: ['users'],
    queryFn: ({ signal }) => client.listUsers({ signal }),
    refetchInterval: every(30_000),
  })
  const [open, setOpen] = useState<AccountView | 'new'>()
  return (
    <section className="card table-card">
      <div className="card-head">
        <h2>{text.account.users}</h2>
        <button type="button" className="small" onClick={() => setOpen('new')}>
          <Icon name="plus" />
          {text.account.add}
        </button>
      </div>
      <Unread query={list} lines={2} />
      {list.data && (
        <table className="plain">
          <TableHead columns={[text.account.name, text.account.role, text.account.enabled]} />
          <tbody>
            {list.data.map((user) => (
              <UserRow key={user.id} user={user} onReset={() => setOpen(user)} />
            ))}
          </tbody>
        </table>
      )}
      {open && <UserDialog {...(open === 'new' ? {} : { user: open })} onClose={() => setOpen(undefined)} />}
    </section>
  )
}

function UserRow({ user, onReset }: { user: AccountView; onReset: () => void }) {
  const text = useText()
  const isSelf = useQuery(meQuery).data?.id === user.id
  const changeUser = (values: UserChange) => change(() => client.changeUser(user.id, values))
  return (
    <tr>
      <td className="foreign">{visible(user.username)}</td>
      <td data-label={text.account.role}>
        <select
          aria-label={`${text.account.role}: ${user.username}`}
          value={user.role}
          disabled={isSelf}
          onChange={(event) => void changeUser({ role: event.target.value === 'admin' ? 'admin' : 'viewer' })}
        >
          {user.role === 'user' && <option value="user">{text.account.roles.user}</option>}
          <option value="admin">{text.account.roles.admin}</option>
          <option value="viewer">{text.account.roles.viewer}</option>
        </select>
      </td>
      <td data-label={text.account.enabled}>
        <input
          type="checkbox"
          className="switch"
          aria-label={`${text.account.enabled}: ${user.username}`}
          checked={!user.disabled}
          disabled={isSelf}
          onChange={() => void changeUser({ disabled: !user.disabled })}
        />
      </td>
      <td className="row-actions">
        {!isSelf && (
          <button type="button" className="small" onClick={onReset}>
            {text.account.reset}
            <span className="visually-hidden"> {user.username}</span>
          </button>
        )}
      </td>
    </tr>
  )
}
