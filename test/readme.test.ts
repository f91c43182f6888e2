import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { buildApp } from '../src/app.ts'
import { parseConfig } from '../src/config.ts'
import { createTestDatabase } from './support/database.ts'

const root = path.resolve(import.meta.dirname, '..')
const read = (name: string) => readFileSync(path.join(root, name), 'utf8')
const readme = read('README.md')
const chinese = read('README.zh-CN.md')

/** The cells of the rows that begin with code. */
function tableIn(page: string): string[][] {
  const rows = read(page).split('\n')
  return rows.filter((line) => line.startsWith('| `')).map((line) => line.split(/ *\| */).slice(1, -1))
}

const quoted = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text)

test('the configuration table names every variable of .env.example, with its default', () => {
  const lines = read('.env.example').matchAll(/^([A-Z_]+)=(.*)$/gm)
  const expected = Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]))
  const told: Record<string, string> = {}
  for (const [names, defaults] of tableIn('docs/server.md')) {
    const values = quoted(defaults)
    for (const [index, name] of quoted(names).entries()) told[name] = values[index] ?? ''
  }
  // What is made at the first start is told by where it is kept.
  expect({ ...told, AUTH_SECRET: '' }).toEqual(expected)
})

test('the table of calls is that of the server', async () => {
  const database = await createTestDatabase('server')
  onTestFinished(() => database.drop())
  const app = await buildApp(parseConfig({ LOG_LEVEL: 'silent' }), { databaseUrl: database.url })
  onTestFinished(() => app.close())
  await app.ready()
  const served = Object.entries(app.swagger().paths ?? {}).flatMap(([url, calls]) =>
    Object.keys(calls ?? {}).map((method) => `${method.toUpperCase()} ${url.replace('/api/admin', '')}`),
  )
  const told = tableIn('docs/rest.md').flatMap((cells) =>
    cells.flatMap(quoted).filter((text) => /^(GET|POST|PATCH|DELETE) \//.test(text)),
  )
  const outside = [...read('docs/rest.md').matchAll(/`(GET \/(?:health|metrics)[^`]*)`/g)].map(
    ([, call]) => call,
  )
  expect(new Set([...told, ...outside])).toEqual(new Set(served))
})

test('it fits on a few screens', () => {
  expect(readme.split('\n').length).toBeLessThanOrEqual(250)
})

const pages = readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md'))
const texts = [
  ...[
    'README.md',
    'README.zh-CN.md',
    'CONTRIBUTING.md',
    '.github/SECURITY.md',
    'src/engine/README.md',
    'test/README.md',
  ],
  ...globSync('examples/**/README.md', { cwd: root, exclude: ['**/node_modules/**'] }),
  ...pages.map((name) => `docs/${name}`),
]

/** As GitHub makes them of headings. */
function anchorsOf(file: string): Set<string> {
  const headings = [
    ...read(file)
      .replace(/^```.*?^```/gms, '')
      .matchAll(/^#+ (.*)$/gm),
  ]
  return new Set(
    headings.map(([, text = '']) =>
      text
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

test.each(texts)('the links of %s lead somewhere', (file) => {
  const links = [...read(file).matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, link = '']) => link)
  const broken = links.filter((link) => {
    const [name = '', anchor] = link.split('#')
    const target = name === '' ? file : path.join(path.dirname(file), name)
    if (!existsSync(path.join(root, target))) return true
    return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).has(anchor)
  })
  expect(broken).toEqual([])
})

test('it leads to every page of docs, in both languages', () => {
  const unlisted = pages.filter((name) => !readme.includes(`](docs/${name}`) && name !== 'asvs.md')
  expect(unlisted).toEqual([])
  const linksOf = (text: string) =>
    [...text.matchAll(/\]\((docs\/(?!images\/)[^)]+)\)/g)].map(([, link]) => link)
  expect(new Set(linksOf(chinese))).toEqual(new Set(linksOf(readme)))
})

test('the Chinese one has the same code, commands and pictures', () => {
  const codeOf = (text: string) => [...text.matchAll(/^```\w+\n.*?^```$/gms)].map(([block]) => block)
  const code = codeOf(readme).filter((block) => !block.startsWith('```mermaid'))
  expect(codeOf(chinese).filter((block) => !block.startsWith('```mermaid'))).toEqual(code)
  const statesOf = (text: string) =>
    [...text.matchAll(/^ {2}(\S+ --> \w+|\[\*\] --> \w+)/gm)].map(([line]) => line)
  expect(statesOf(chinese)).toEqual(statesOf(readme))
  const picturesOf = (text: string) => [...text.matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)].map(([, name]) => name)
  expect(picturesOf(readme)).toEqual(['docs/images/live.webp'])
  expect(picturesOf(chinese)).toEqual(picturesOf(readme))
})

test('it names the least version of each package that an app has to install', () => {
  const { peerDependencies, peerDependenciesMeta } = JSON.parse(read('package.json'))
  const needed = Object.keys(peerDependencies).filter((name) => !(name in peerDependenciesMeta))
  expect(needed.length).toBeGreaterThan(0)
  for (const name of needed) {
    const [least = ''] = /\d[\d.]+/.exec(peerDependencies[name]) ?? []
    const named = `${name} ≥ ${least.replace(/\.0$/, '')}`
    for (const text of [readme, chinese]) expect(text.replace(/\s+/g, ' ')).toContain(named)
  }
})

test('its figures are those of the benchmark', () => {
  const benchmark = read('docs/benchmark.md')
  const figures = [...readme.matchAll(/(\d+,\d+) (?:tasks )?per second/g)].map(([, figure]) => figure)
  expect(figures).toHaveLength(2)
  for (const text of [readme, chinese]) for (const figure of figures) expect(text).toContain(figure)
  for (const figure of figures) expect(benchmark).toContain(`${figure}/s`)
  const [, times] = /(\d+) times as many as with the best peer/.exec(readme) ?? []
  expect(benchmark).toContain(`${times} times the best peer`)
  expect(chinese).toContain(`${times} 倍`)
})
