import vm from 'node:vm'
import fc from 'fast-check'

/** Makes what is thrown: fast-check looks at the values that it draws, which these do not bear. */
export type Make = () => unknown

/** Whatever code may throw, odd errors above all. */
export function thrownValues(): fc.Arbitrary<Make> {
  return fc.oneof(
    { weight: 1, arbitrary: anyValue() },
    { weight: 3, arbitrary: oddErrors() },
    {
      weight: 1,
      arbitrary: fc.tuple(oddErrors(), fc.constantFrom(...proxies)).map(
        ([make, wrap]) =>
          () =>
            wrap(make()),
      ),
    },
  )
}

function anyValue(): fc.Arbitrary<Make> {
  return fc.oneof(
    fc
      .anything({ withBigInt: true, withNullPrototype: true, withMap: true, withDate: true, maxDepth: 2 })
      .map((value) => () => value),
    fc.constantFrom<Make>(
      () => '',
      () => '\u0000\ud800',
      () => Symbol('odd'),
      () => () => {},
      () => hostile,
      () => ({ toJSON: raise }),
      () => ({ err: cycle(), deep: new Map([[1, 2]]) }),
      () => 'x'.repeat(500_000),
    ),
  )
}

const raise = (): never => {
  throw hostile
}

const trap = (): never => {
  throw new Error('a trap')
}
/** Throws whatever one does to it. */
const hostile: unknown = new Proxy(() => {}, new Proxy({}, { get: () => trap }))

function cycle(): object {
  const self: { self?: object } = {}
  self.self = self
  return self
}

const errors: (() => object)[] = [
  () => new Error('plain'),
  () => new TypeError('typed', { cause: new RangeError('because') }),
  () => new AggregateError([new Error('first'), 'second', new AggregateError([])], 'several'),
  () => new DOMException('aborted', 'AbortError'),
  () => vm.runInNewContext('new Error("of another realm", { cause: new TypeError("deeper") })'),
  () => vm.runInNewContext('new AggregateError([new Error("inner"), 1], "of another realm")'),
  () => Object.create(Error.prototype),
  () => Object.assign(Object.create(null), { message: 'no error' }),
  () => deep(1_000),
  () => new AggregateError(Array.from({ length: 1_000 }, (_, i) => new Error(`${i}`))),
]

function deep(levels: number): Error {
  let error = new Error('the innermost')
  for (let i = 0; i < levels; i += 1) error = new Error(`level ${i}`, { cause: error })
  return error
}

const values: Make[] = [
  () => undefined,
  () => null,
  () => '',
  () => 42,
  () => Symbol('s'),
  () => 10n,
  () => raise,
  () => Number.NaN,
  () => 'y'.repeat(200_000),
  () => '\u0000\udc00',
  () => ['a', { b: 1 }],
  () => new Error('another'),
  () => ({ length: 1e9 }),
  () => hostile,
]

const KEYS = ['name', 'message', 'stack', 'cause', 'code', 'errors', 'query', 'params', 'toJSON', 'toString']

/** An error with some of its properties replaced. */
function oddErrors(): fc.Arbitrary<() => object> {
  const property = fc.record({
    key: fc.constantFrom(...KEYS),
    how: fc.constantFrom('value', 'value', 'getter', 'throws', 'self'),
    make: fc.constantFrom(...values),
  })
  return fc
    .tuple(fc.constantFrom(...errors), fc.array(property, { maxLength: 4 }))
    .map(([make, properties]) => () => {
      const error = make()
      for (const { key, how, make: makeValue } of properties) {
        const value = how === 'self' ? error : makeValue()
        const descriptor =
          how === 'throws' ? { get: raise } : how === 'getter' ? { get: () => value } : { value }
        Object.defineProperty(error, key, { ...descriptor, configurable: true, enumerable: true })
      }
      return error
    })
}

const proxies: ((target: object) => object)[] = [
  (target) => new Proxy(target, {}),
  (target) => new Proxy(target, { get: raise }),
  (target) => new Proxy(target, { getPrototypeOf: raise }),
  (target) => new Proxy(target, { has: raise, ownKeys: raise, getOwnPropertyDescriptor: raise }),
  (target) => {
    const { proxy, revoke } = Proxy.revocable(target, {})
    revoke()
    return proxy
  },
]
