import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { buildApp } from '../src/app.ts'
import { parseConfig } from '../src/config.ts'
import { createTestDatabase } from './support/database.ts'

const root = path.resolve(import.meta.dirname, '..')
const read = (name: string) => readFileSync(path.join(root, name), 'utf8')
const readme = read('README.md')

/** The cells of the table under a heading, without its head. */
function tableUnder(heading: string): string[][] {
  const [, section = ''] = readme.split(`\n## ${heading}\n`)
  const rows = section.split('\n## ')[0]?.split('\n') ?? []
  return rows.filter((line) => line.startsWith('| `')).map((line) => line.split(/ *\| */).slice(1, -1))
}

const quoted = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text)

test('the configuration table names every variable of .env.example, with its default', () => {
  const lines = read('.env.example').matchAll(/^([A-Z_]+)=(.*)$/gm)
  const expected = Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]))
  const told: Record<string, string> = {}
  for (const [names, defaults] of tableUnder('Configuration')) {
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
  const told = tableUnder('REST').flatMap((cells) =>
    cells.flatMap(quoted).filter((text) => /^(GET|POST|PATCH|DELETE) \//.test(text)),
  )
  const outside = [...readme.matchAll(/`(GET \/(?:health|metrics)[^`]*)`/g)].map(([, call]) => call)
  expect(new Set([...told, ...outside])).toEqual(new Set(served))
})

test('it fits on a few screens, and its links lead somewhere', () => {
  expect(readme.split('\n').length).toBeLessThanOrEqual(270)
  const pages = readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md'))
  for (const file of ['README.md', 'src/engine/README.md', ...pages.map((name) => `docs/${name}`)]) {
    const links = [...read(file).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link = '']) => link)
    expect(links.filter((link) => !existsSync(path.join(root, path.dirname(file), link)))).toEqual([])
  }
})
