import { isIP } from 'node:net'
import { z } from 'zod'
import { loginBody } from './contract/session.ts'

/** How messages show a variable; a secret's value is never shown. */
export const notes = z.registry<{ expected: string; secret?: boolean }>()

export const text = (expected: string) => z.string().register(notes, { expected })
export const secret = (expected: string) => z.string().register(notes, { expected, secret: true })

export function number(options: { min: number; max: number; isInt?: boolean }) {
  const { min, max, isInt = true } = options
  const expected = `a ${isInt ? 'whole ' : ''}number, ${min} … ${max}`
  return z
    .string()
    .regex(isInt ? /^\d+$/ : /^\d+(\.\d+)?$/)
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .register(notes, { expected })
}

export const flag = () =>
  z
    .enum(['true', 'false'])
    .transform((value) => value === 'true')
    .register(notes, { expected: 'true or false' })

export const oneOf = <const T extends readonly string[]>(values: T) =>
  z.enum(values).register(notes, { expected: `one of ${values.join(', ')}` })

export const databaseUrl = () =>
  z.url({ protocol: /^postgres(ql)?$/ }).register(notes, {
    expected: 'a URL such as postgres://user:password@host:5432/database',
    secret: true,
  })

/** A variable for one of the engine's settings, with the limits and the default that the engine gives it. */
export function setting(schema: z.ZodDefault<z.ZodNumber>) {
  const { minValue, maxValue, isInt } = schema.unwrap()
  const fallback = schema.def.defaultValue as number
  return number({ min: minValue ?? 0, max: maxValue ?? Number.MAX_SAFE_INTEGER, isInt }).default(fallback)
}

const MAX_PROXIES = 20
const proxies =
  'the number of proxies in front of the server (such as 1), or their addresses separated by commas'

export const trustProxy = () =>
  z
    .string()
    .refine((value) => value !== 'true', {
      error: `${proxies}: true would believe any address that a client writes into X-Forwarded-For`,
      abort: true,
    })
    .refine(
      (value) => value === 'false' || isProxyCount(value) || value.split(',').every(isProxyRange),
      `false, ${proxies}`,
    )
    .transform((value) => {
      if (value === 'false') return false
      return isProxyCount(value) ? Number(value) : value
    })
    .register(notes, { expected: `false, ${proxies}` })

/** Where browsers find the server. A path is that of a proxy in front of it. */
export const publicUrl = () =>
  z
    .url({ protocol: /^https?$/ })
    .transform((value) => new URL(value))
    .refine(
      ({ username, password, search, hash }) =>
        [username, password, search, hash].every((part) => part === ''),
      PUBLIC_URL,
    )
    .register(notes, { expected: PUBLIC_URL })
const PUBLIC_URL = 'a URL such as https://tasks.example.com, without user, query and fragment'

const isProxyCount = (value: string) => /^\d{1,2}$/.test(value) && Number(value) <= MAX_PROXIES

/** An address, or a range of them that is not most of the Internet: that would be true in other words. */
function isProxyRange(value: string): boolean {
  const [address = '', bits, ...rest] = value.trim().split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && +bits >= 7 && +bits <= (version === 4 ? 32 : 128))
}

/** What the log-in takes; a longer one would be set, and never be right. */
export const username = (expected: string) =>
  loginBody.shape.username.refine((value) => value.trim() !== '', expected).register(notes, { expected })
