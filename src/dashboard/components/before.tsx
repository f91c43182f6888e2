import type { ReactNode } from 'react'

/** Dims data of a former range or filter until those that were asked for are there. */
export function Before({ isBefore, children }: { isBefore: boolean; children: ReactNode }) {
  return (
    <div className="before" aria-busy={isBefore}>
      {children}
    </div>
  )
}
