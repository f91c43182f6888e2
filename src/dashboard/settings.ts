function readMeta(name: string): string {
  const found = document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content
  if (found === undefined) throw new Error(`index.html has no <meta name="${name}">`)
  return found
}

/** Without a slash at its end. The server says where it is, relative to this page. */
export const API = new URL(readMeta('tasks-api'), document.baseURI).href.replace(/\/$/, '')

/** Whether the interface has a log-in of its own, or the host's decides who gets in. */
export const HAS_LOGIN = readMeta('tasks-login') === 'password'
