import { PermanentError, RetryAfter } from '../../../../../src/engine/definition/errors.ts'

export default function failing({ how }: { how: string }): unknown {
  switch (how) {
    case 'permanent':
      throw new PermanentError('never')
    case 'later':
      throw new RetryAfter(60_000, 'quota')
    case 'uncloneable':
      return () => {}
    case 'crash':
      setImmediate(() => {
        throw new Error('out of nowhere')
      })
      return new Promise(() => {})
    default:
      throw new RangeError('plain')
  }
}
