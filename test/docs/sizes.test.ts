import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

test('the figures of docs/sizes.md are those of the benchmark', () => {
  const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')
  const [sizes, benchmark] = [read('sizes.md'), read('benchmark.md')]
  for (const figure of ['12,900/s', '16,600/s', '15,700/s', '0.95 of', '1.38 statements']) {
    expect(sizes).toContain(figure)
    expect(benchmark).toContain(figure)
  }
})
