import { expect, test } from 'vitest'
import { networkOf } from '../../src/accounts/network.ts'

test.each([
  [['198.51.100.1', '::ffff:198.51.100.1', '::FFFF:198.51.100.1', '198.51.100.1:4711'], '198.51.100.1'],
  [
    [
      '2001:db8:1:2::1',
      '2001:DB8:1:2:ffff::',
      '2001:0db8:0001:0002:a:b:c:d',
      '2001:db8:1:2::198.51.100.1',
      '[2001:db8:1:2::9]:443',
      '[2001:db8:1:2::9]',
    ],
    '2001:db8:1:2',
  ],
  [['::1', '::', '0:0:0:0:5::', '::198.51.100.1'], '0:0:0:0'],
  [['2001:db8::1', '2001:db8:0:0:1::'], '2001:db8:0:0'],
  [['fe80::1%eth0', 'fe80::2%eth1'], 'fe80:0:0:0'],
  [['::ffff:c633:6401'], '0:0:0:0:0:ffff:c633:6401'],
  [['', 'unknown', '_hidden', 'x'.repeat(10_000), '1.2.3', '[', '[x]'], 'unknown'],
])('%j', (addresses, network) => {
  expect(addresses.map(networkOf)).toEqual(addresses.map(() => network))
})
