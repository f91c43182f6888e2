import { useRef } from 'react'

/** Starts no work while the one before is under way: a double click does it once. */
export function useOneAtATime(): (work: () => Promise<void>) => void {
  const isUnderWay = useRef(false)
  return (work) => {
    if (isUnderWay.current) return
    isUnderWay.current = true
    void work().finally(() => {
      isUnderWay.current = false
    })
  }
}
