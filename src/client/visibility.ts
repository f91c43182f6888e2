interface Tab {
  readonly hidden: boolean
  addEventListener(type: 'visibilitychange', listener: () => void): void
  removeEventListener(type: 'visibilitychange', listener: () => void): void
}

/** Undefined outside of browsers, whose types are not known here. */
const tab = () => (globalThis as { document?: Tab }).document

/** The page is hidden. */
export function isHidden(): boolean {
  return tab()?.hidden ?? false
}

/** Returns a function that stops listening. */
export function onVisibility(listener: () => void): () => void {
  const listened = tab()
  listened?.addEventListener('visibilitychange', listener)
  return () => listened?.removeEventListener('visibilitychange', listener)
}
