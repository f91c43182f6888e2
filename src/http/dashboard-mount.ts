/** The admin page in your app: its path, how users log in, and how it names and links your app. */
export interface DashboardMount {
  /** Path of the page, such as `/ops`, which nothing else uses, not even the routes. Default `/admin`. */
  prefix?: string
  /**
   * `password`: the page asks for name and password and sends them to `/auth/login` below the routes. `host`: your app's
   * own log-in is enough; other visitors may enter a bearer token. Default `host`.
   */
  login?: 'password' | 'host'
  /** Name of your app, in the header, the log-in and the tab's title, at most 40 characters. Default: none. */
  title?: string
  /** Shown in the header, such as `production`, at most 40 characters. Default: none. */
  environment?: string
  /**
   * Your log-in, which the page links to while nobody is logged in: a path such as `/login`, or an http(s) URL. In its
   * query, `{returnTo}` becomes the page's own path, escaped; for another origin, its whole URL. Default: none.
   */
  loginUrl?: string
  /** Your log-out, which the page links to: a path, or an http(s) URL. Default: none. */
  logoutUrl?: string
  /** Your app, which the page links to: a path, or an http(s) URL. Default: none. */
  homeUrl?: string
}

const MAX_CHARS = 40
const LABEL = `1 to ${MAX_CHARS} characters on one line`
const ADDRESS =
  "a path such as '/login' or an http(s) URL without a user name, and braces only as '{returnTo}' in the query"

/** What is wrong with texts and addresses, in words that name option and value; undefined: nothing. */
export function findMountProblem(mount: DashboardMount): string | undefined {
  for (const name of ['title', 'environment'] as const) {
    const value = mount[name]
    if (value !== undefined && !isLabel(value)) return misfit(name, LABEL, value)
  }
  for (const name of ['loginUrl', 'logoutUrl', 'homeUrl'] as const) {
    const value = mount[name]
    if (value === undefined) continue
    if (!isAddress(value, name === 'loginUrl')) return misfit(name, ADDRESS, value)
    if (name !== 'homeUrl' && mount.login === 'password')
      return `dashboard.${name} needs login: 'host'; with 'password' the page logs in and out itself, got '${value}'`
  }
  return undefined
}

function misfit(name: string, expected: string, value: string): string {
  // A user name may come with a password.
  const shown = value.length > 200 || value.includes('@') ? 'another text' : `'${value}'`
  return `dashboard.${name} must be ${expected}, got ${shown}`
}

function isLabel(value: string): boolean {
  return value.trim() !== '' && [...value].length <= MAX_CHARS && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(value)
}

function isAddress(value: string, mayReturn: boolean): boolean {
  const [path = '', query = ''] = value.split(/\?(.*)/s)
  const rest = mayReturn ? query.replaceAll('{returnTo}', '') : query
  // Browsers drop some of these characters and read a backslash as a slash: what is left may be another address.
  if (/[\s\\{}\p{Cc}]/u.test(path + rest)) return false
  if (path.startsWith('/')) return !path.startsWith('//')
  if (!/^https?:\/\/./i.test(path) || !URL.canParse(path)) return false
  const { username, password } = new URL(path)
  return username === '' && password === ''
}
