import type { ComponentProps, MouseEvent } from 'react'
import { go, href, type Query } from '../state/route.ts'

/** A link inside the page: a real one, so that it opens in a new tab, too. */
export function Link({ to, state, ...rest }: { to: Query; state?: unknown } & ComponentProps<'a'>) {
  const follow = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0) return
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    go(to, { state })
  }
  return <a {...rest} href={href(to)} onClick={follow} />
}
