import { expect } from 'vitest'

const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)+\})? (-?[0-9.]+(?:e[-+]?[0-9]+)?|[Nn]a[Nn]|[-+]Inf)$/

/** The samples of a scrape by name and labels. Every line of the format is understood, and no metric comes twice. */
export function samplesOf(text: string): Record<string, number> {
  expect(text.endsWith('\n')).toBe(true)
  const lines = text.split('\n').filter((line) => line !== '')
  const types = lines.filter((line) => line.startsWith('# TYPE ')).map((line) => line.split(' ')[2])
  expect(new Set(types).size).toBe(types.length)
  const samples = lines.filter((line) => !line.startsWith('# HELP ') && !line.startsWith('# TYPE '))
  return Object.fromEntries(
    samples.map((line) => {
      const [, name = `not a sample: ${line}`, labels = '', value] = SAMPLE.exec(line) ?? []
      expect(types).toContain(types.includes(name) ? name : name.replace(/_(bucket|sum|count)$/, ''))
      return [name + labels, Number(value)]
    }),
  )
}

export const namesIn = (samples: Record<string, number>) =>
  Object.keys(samples).map((name) => name.replace(/\{.*/, ''))
