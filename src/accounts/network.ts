import { isIPv4, isIPv6 } from 'node:net'

/**
 * What counts as one address: an IPv4 address, and of IPv6 all of a /64, which a customer has at least. Whatever a proxy
 * forwards that is no address counts as one, too.
 */
export function networkOf(ip: string): string {
  // Some proxies forward the port as well.
  const address = /^\[(.*)\](?::\d+)?$/.exec(ip)?.[1] ?? ip.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
  const inIPv6 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (inIPv6 !== undefined) return inIPv6
  if (isIPv4(address)) return address
  const [plain = ''] = address.split('%')
  return isIPv6(plain) ? prefixOf(plain) : 'unknown'
}

function prefixOf(address: string): string {
  // The parser of URLs writes each address in one way, IPv4 parts in hexadecimal too.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const groups = head.split(':').filter((group) => group !== '')
  const rest = (tail ?? '').split(':').filter((group) => group !== '')
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - groups.length - rest.length }, () => '0')
  const all = [...groups, ...zeros, ...rest]
  // An IPv4 address inside IPv6: its /64 would be all of IPv4.
  return all.slice(0, all[5] === 'ffff' ? 8 : 4).join(':')
}
