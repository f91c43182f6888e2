import { isIPv4, isIPv6 } from 'node:net'

/**
 * What counts as one address: an IPv4 address, and of IPv6 all of a /64, which a customer has at least. A text
 * from a proxy that is no address counts as one, too.
 */
export function networkOf(ip: string): string {
  // Some proxies forward the port as well.
  const address = /^\[(.*)\](?::\d+)?$/.exec(ip)?.[1] ?? ip.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
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
  return isIPv4Mapped(all) ? toIPv4(all.slice(6)) : all.slice(0, 4).join(':')
}

/** Its /64 would be all of IPv4. The zeros matter: the owner of a /64 chooses the other groups. */
function isIPv4Mapped(groups: readonly string[]): boolean {
  return groups.slice(0, 5).every((group) => group === '0') && groups[5] === 'ffff'
}

function toIPv4(groups: readonly string[]): string {
  return groups
    .map((group) => Number.parseInt(group, 16))
    .flatMap((bits) => [bits >> 8, bits & 0xff])
    .join('.')
}
