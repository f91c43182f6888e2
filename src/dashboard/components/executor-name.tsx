import { useQuery } from '@tanstack/react-query'
import { useText } from '../i18n/text.ts'
import { visible } from '../i18n/visible.ts'
import { executorsQuery } from '../state/queries.ts'

/** Host and process while the server knows them; of others the part of the id that differs. */
export function ExecutorName({ id }: { id: string | null }) {
  const text = useText()
  const executor = useQuery(executorsQuery).data?.find((one) => one.id === id)
  if (id === null) return text.detail.none
  return (
    <span title={visible(id)}>{executor ? visible(`${executor.host} · ${executor.pid}`) : shortId(id)}</span>
  )
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export function shortId(id: string): string {
  return UUID.test(id) ? `${id.slice(0, 8)}…` : visible(id)
}
