import type { ReactNode } from 'react'

/** A phrase of the dictionary with something that moves in it. */
export function Around({ words, children }: { words: (what: string) => string; children: ReactNode }) {
  const [before, after] = words('\u0000').split('\u0000')
  return (
    <span>
      {before}
      {children}
      {after}
    </span>
  )
}
