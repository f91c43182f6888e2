class Money {
  readonly #cents = 150
  toJSON() {
    return { euros: this.#cents / 100 }
  }
}

/** Returns what a clone between threads would refuse or change. */
export default function returning(): unknown {
  return {
    failed: Object.assign(new TypeError('bad', { cause: new Error('why') }), { code: 'E1', field: 'x' }),
    money: new Money(),
    proxy: new Proxy({ a: 1 }, {}),
    map: new Map([['a', new Set([1])]]),
    list: [() => 1],
  }
}
