/** More would not fit into an address that every proxy lets pass. */
const MAX_IDS = 300
const ID = /^task_[0-9a-f]{32}$/

/** Ids for the address: the 16 bytes of each, in base64url. Undefined: they are too many, or of another kind. */
export function encodeIds(ids: readonly string[]): string | undefined {
  if (ids.length === 0 || ids.length > MAX_IDS || !ids.every((id) => ID.test(id))) return undefined
  const hex = ids.map((id) => id.slice('task_'.length)).join('')
  const bytes = [...hex.matchAll(/../g)].map(([byte]) => Number.parseInt(byte, 16))
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')
}

/** Undefined: it names none. */
export function decodeIds(text: string | null): string[] | undefined {
  if (!text || !/^[\w-]+$/.test(text)) return undefined
  let bytes: string
  try {
    bytes = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  } catch {
    return undefined
  }
  const hex = [...bytes].map((byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join('')
  const ids = [...hex.matchAll(/.{32}/g)].slice(0, MAX_IDS).map(([id]) => `task_${id}`)
  return ids.length > 0 ? ids : undefined
}
