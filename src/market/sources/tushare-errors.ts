import { PermanentError } from '../../tasks/errors.ts'

/** The per-minute allowance is used up: the same request works a minute later. */
export class ThrottledError extends Error {
  override readonly name = 'ThrottledError'
}

/** A request that failed on its way, or whose answer is unreadable: the same request may work at once. */
export class TransportError extends Error {
  override readonly name = 'TransportError'
}

/**
 * The error behind a non-zero `code`. The text decides: 40203 stands for a throttle, a used-up quota and a missing
 * permission alike, and the throttle's text mentions permissions too. So rates are looked for first.
 */
export function classifyRefusal(api: string, code: number, message: string): Error {
  const said = `tushare ${api}: ${message || 'refused without a reason'} (code ${code})`
  if (/每(小时|天|日)|\/\s*(小时|天|日)|per (hour|day)/i.test(message)) {
    return new PermanentError(`${said}; the quota is used up, start the task again later`)
  }
  if (/每分钟|\/\s*分钟|频率超限|per minute/i.test(message)) return new ThrottledError(said)
  if (code === 40101 || /token/i.test(message)) return new PermanentError(`${said}; check TUSHARE_TOKEN`)
  if (code === 2002 || /权限|积分|permission/i.test(message)) {
    return new PermanentError(`${said}; the account has no permission for this interface`)
  }
  return new PermanentError(said)
}

/** The error behind an HTTP status that is not 2xx. */
export function classifyStatus(api: string, status: number): Error {
  const said = `tushare ${api}: HTTP ${status}`
  if (status === 429) return new ThrottledError(said)
  if (status >= 500 || status === 408) return new TransportError(said)
  return new PermanentError(`${said}; check TUSHARE_URL`)
}
