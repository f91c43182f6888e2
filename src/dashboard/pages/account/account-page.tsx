import { useQuery } from '@tanstack/react-query'
import { useText } from '../../i18n/text.ts'
import { useFormerPlace } from '../../state/place.ts'
import { meQuery } from '../../state/queries.ts'
import { useTitle } from '../../state/use-title.ts'
import { PasswordCard } from './password-card.tsx'
import { SessionsCard } from './sessions-card.tsx'
import { UsersCard } from './users-card.tsx'

/** What a person does with the own account, and an admin with all accounts. */
export function AccountPage() {
  const text = useText()
  useTitle(text.account.title)
  const me = useQuery(meQuery)
  useFormerPlace(me.data !== undefined)
  return (
    <>
      <div className="page-head">
        <h1>{text.account.title}</h1>
      </div>
      <SessionsCard />
      <PasswordCard />
      {me.data?.role === 'admin' && <UsersCard />}
    </>
  )
}
