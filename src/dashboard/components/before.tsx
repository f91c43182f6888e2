import type { ReactNode } from 'react'

/** Dims what was read before, until what was asked for since is there. */
export function Before({ isBefore, children }: { isBefore: boolean; children: ReactNode }) {
  return (
    <div className="before" aria-busy={isBefore}>
      {children}
    </div>
  )
}
