import { PermanentError } from '../../engine/definition/errors.ts'

/** The per-minute allowance is used up: the same request works a minute later. */
export class ThrottledError extends Error {
  override readonly name = 'ThrottledError'
}

/** A request that failed on its way, or whose response is unreadable: the same request may work at once. */
export class TransportError extends Error {
  override readonly name = 'TransportError'
}

/** An allowance of an hour or a day: waiting a minute does not help. */
const QUOTA =
  /每个?(小时|天|日)(最多|.{0,20}次)|次\s*\/\s*(小时|天|日)|per (hour|day)|(hourly|daily) (limit|quota)/i
const RATE =
  /(每|\/\s*)(一)?(分钟?|秒钟?)|频率|频次|过于频繁|过快|限流|per (minute|second)|too many requests|rate limit/i
/** The server's own trouble, which passes. */
const PASSING =
  /服务器|服务异常|服务不可用|系统(内部)?(错误|异常|繁忙)|内部错误|网络|超时|繁忙|维护|稍[后候]|重试|internal|server error|unavailable|time(d )?out|busy|try again|maintenance/i
const PERMISSION = /权限|积分|permission|forbidden|未开通|过期/i
/** A request that is wrong in itself. */
const BAD_REQUEST =
  /参数|必填|不能为空|格式(错误|不正确)|接口名|接口不存在|没有(该|此)接口|字段|invalid|missing|unknown (api|interface|field)|not (found|supported)/i

/**
 * The error behind a non-zero `code`. The text decides: 40203 stands for a throttle, a used-up quota and a missing
 * permission alike, and the throttle's text mentions permissions too. What is not known to be permanent may pass.
 */
export function classifyRefusal(api: string, code: number, message: string): Error {
  const text = `tushare ${api}: ${message || 'refused without a reason'} (code ${code})`
  if (QUOTA.test(message)) {
    return new PermanentError(`${text}; the quota is used up, start the task again later`)
  }
  if (RATE.test(message)) return new ThrottledError(text)
  if (code !== 40101 && PASSING.test(message)) return new TransportError(text)
  if (code === 40101 || /token/i.test(message)) return new PermanentError(`${text}; check TUSHARE_TOKEN`)
  if (code === 2002 || PERMISSION.test(message)) {
    return new PermanentError(`${text}; the account has no permission for this interface`)
  }
  return BAD_REQUEST.test(message) ? new PermanentError(text) : new TransportError(text)
}

/** The error behind an HTTP status that is not 2xx. */
export function classifyStatus(api: string, status: number): Error {
  const text = `tushare ${api}: HTTP ${status}`
  if (status === 429) return new ThrottledError(text)
  if (status >= 500 || status === 408 || status === 425) return new TransportError(text)
  return new PermanentError(`${text}; check TUSHARE_URL`)
}
