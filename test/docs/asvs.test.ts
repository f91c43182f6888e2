import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')
const page = readFileSync(path.join(root, 'docs/asvs.md'), 'utf8')

/** How many requirements of level 2 each section of ASVS 4.0.3 has, or their numbers where some are of level 3 or gone. */
const SECTIONS: Readonly<Record<string, number | number[]>> = {
  '1.1': 7,
  '1.2': 4,
  '1.4': [1, 4, 5],
  '1.5': 4,
  '1.6': 4,
  '1.7': 2,
  '1.8': 2,
  '1.9': 2,
  '1.10': 1,
  '1.11': 2,
  '1.12': [2],
  '1.14': 6,
  '2.1': 12,
  '2.2': 3,
  '2.3': 3,
  '2.4': 5,
  '2.5': 7,
  '2.6': 3,
  '2.7': 6,
  '2.8': 7,
  '2.9': 3,
  '2.10': 4,
  '3.1': 1,
  '3.2': 4,
  '3.3': 4,
  '3.4': 5,
  '3.5': 3,
  '3.7': 1,
  '4.1': [1, 2, 3, 5],
  '4.2': 2,
  '4.3': 3,
  '5.1': 5,
  '5.2': 8,
  '5.3': 10,
  '5.4': 3,
  '5.5': 4,
  '6.1': 3,
  '6.2': 6,
  '6.3': 2,
  '6.4': 2,
  '7.1': 4,
  '7.2': 2,
  '7.3': [1, 3, 4],
  '7.4': 3,
  '8.1': 4,
  '8.2': 3,
  '8.3': 8,
  '9.1': 3,
  '9.2': 4,
  '10.2': 2,
  '10.3': 3,
  '11.1': 8,
  '12.1': 3,
  '12.2': 1,
  '12.3': 6,
  '12.4': 2,
  '12.5': 2,
  '12.6': 1,
  '13.1': [1, 3, 4, 5],
  '13.2': [1, 2, 3, 5, 6],
  '13.3': 2,
  '13.4': 2,
  '14.1': 4,
  '14.2': 6,
  '14.3': [2, 3],
  '14.4': 7,
  '14.5': 4,
}

interface Row {
  readonly ids: readonly string[]
  readonly verdict: string
  readonly evidence: string
}

/** Such as `2.6.1–2.6.3` and `1.4.1, 1.4.4`. */
function expand(cell: string): string[] {
  return cell.split(', ').flatMap((part) => {
    const [first = '', last] = part.split('–')
    if (last === undefined) return [first]
    const [section, from, to] = [first.replace(/\.\d+$/, ''), first, last].map((id, i) =>
      i === 0 ? id : id.replace(/^.*\./, ''),
    )
    return Array.from({ length: Number(to) - Number(from) + 1 }, (_, i) => `${section}.${Number(from) + i}`)
  })
}

const rows: Row[] = [...page.matchAll(/^\| +(\d[\d., –]*?) +\| +(.+?) +\| +(.+?) +\|$/gm)].map(
  ([, ids = '', verdict = '', evidence = '']) => ({ ids: expand(ids), verdict, evidence }),
)

test('each requirement of level 2 is there once', () => {
  const all = Object.entries(SECTIONS).flatMap(([section, numbers]) =>
    (typeof numbers === 'number' ? Array.from({ length: numbers }, (_, i) => i + 1) : numbers).map(
      (number) => `${section}.${number}`,
    ),
  )
  expect(all).toHaveLength(259)
  expect(rows.flatMap(({ ids }) => ids).toSorted()).toEqual(all.toSorted())
})

test('each is met, replaced or not applicable, and says by what or why', () => {
  for (const { ids, verdict, evidence } of rows) {
    expect.soft(['met', 'instead', 'n/a'], ids.join()).toContain(verdict)
    expect.soft(evidence.length, ids.join()).toBeGreaterThan(5)
    if (verdict === 'met') expect.soft(evidence, ids.join()).toMatch(/`[\w./-]+`|\]\(/)
  }
})

test('each test and file that is named exists, and each chapter names tests', () => {
  const named = [...page.matchAll(/`([\w./-]+\.(?:ts|tsx|md|json)|\.ci\/run)`/g)].map(([, file = '']) => file)
  const files = named.filter((file) => !file.startsWith('…'))
  expect(files.filter((file) => !existsSync(path.join(root, file)))).toEqual([])
  for (const chapter of page.split('\n## ').slice(1)) {
    expect.soft(chapter.match(/`test\/[\w./-]+`/g) ?? [], chapter.split('\n')[0]).not.toEqual([])
  }
})
