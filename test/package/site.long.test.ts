import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')
const folder = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-site-'))
const BASE = '/fastify-async-tasks/'

/** As `npm run docs:build`, into another folder. */
function build(cwd: string, output: string): { status: number | null; said: string } {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  const env = {
    ...process.env,
    PATH: `${path.join(root, 'node_modules/.bin')}:${process.env.PATH}`,
    NODE_ENV: 'production',
  }
  const { status, stdout, stderr } = spawnSync(
    'sh',
    ['-c', `${scripts['docs:build']} --outDir '${output}'`],
    { cwd, env },
  )
  return { status, said: `${stdout}${stderr}` }
}

beforeAll(() => () => rmSync(folder, { recursive: true, force: true }))

describe('the docs site', () => {
  const site = path.join(folder, 'site')
  let pages: Map<string, string>

  beforeAll(() => {
    const { status, said } = build(root, site)
    expect(status, said).toBe(0)
    const files = globSync('**/*.html', { cwd: site })
    pages = new Map(files.map((name) => [name, readFileSync(path.join(site, name), 'utf8')]))
  })

  /** The page or other file at an address of the site. */
  function fileAt(address: string): string {
    const name = decodeURI(address.slice(BASE.length))
    if (name === '' || name.endsWith('/')) return `${name}index.html`
    return path.extname(name) === '' ? `${name}.html` : name
  }

  test('has every page of docs, and the README in both languages', () => {
    const names = globSync('*.md', { cwd: path.join(root, 'docs') }).map((name) =>
      name.replace('.md', '.html'),
    )
    for (const name of [...names, 'index.html', 'zh/index.html']) expect([...pages.keys()]).toContain(name)
    expect(pages.get('index.html')).toContain(`href="${BASE}zh/"`)
    expect(pages.get('tutorial.html')).toContain('From an empty folder to an app')
  })

  test('leads to every page of docs from its navigation', () => {
    const home = pages.get('index.html') ?? ''
    const [, sidebar = ''] = /<aside class="VPSidebar"(.*?)<\/aside>/s.exec(home) ?? []
    for (const purpose of ['tutorial', 'how-to', 'reference', 'explanation'])
      expect(sidebar).toContain(`· ${purpose}<`)
    for (const name of globSync('*.md', { cwd: path.join(root, 'docs') })) {
      expect(sidebar).toMatch(new RegExp(`href="${BASE}${name.replace('.md', '')}["#]`))
    }
  })

  test('has no link to a page, a heading or a picture that is not there', () => {
    const broken: string[] = []
    for (const [page, text] of pages) {
      for (const [, link = ''] of text.matchAll(/\s(?:href|src)="([^"]*)"/g)) {
        if (/^(?:https?:|data:|mailto:)/.test(link)) continue
        const [address = '', anchor] = link.split('#')
        const target = address === '' ? page : fileAt(address)
        if (!existsSync(path.join(site, target))) broken.push(`${page}: ${link}`)
        else if (
          anchor &&
          anchor !== 'VPContent' &&
          !pages.get(target)?.includes(`id="${decodeURI(anchor)}"`)
        ) {
          broken.push(`${page}: ${link}`)
        }
      }
    }
    expect(broken).toEqual([])
  })

  test('asks no other origin', () => {
    const loaded =
      /(?:<(?:script|img|iframe|source)\b[^>]*\ssrc="|<link\b[^>]*\shref="|url\(["']?|@import\s*["'])(?:https?:)?\/\/[^"')\s]*/g
    const styles = globSync('**/*.css', { cwd: site }).map((name) =>
      readFileSync(path.join(site, name), 'utf8'),
    )
    const diagrams = [...pages.values()].flatMap((text) =>
      [...text.matchAll(/data:image\/svg\+xml;base64,([^"]+)/g)].map(([, data = '']) =>
        Buffer.from(data, 'base64').toString(),
      ),
    )
    expect(diagrams.length).toBeGreaterThan(5)
    for (const text of [...pages.values(), ...styles, ...diagrams]) expect(text.match(loaded)).toBeNull()
  })

  test('is searched in the browser, with an index of its own', () => {
    const [index = ''] = globSync('assets/chunks/@localSearchIndexroot*.js', { cwd: site })
    expect(readFileSync(path.join(site, index), 'utf8')).toContain('troubleshooting')
  })
})

test('a dead link fails the build', () => {
  const copy = path.join(folder, 'copy')
  mkdirSync(copy)
  cpSync(path.join(root, 'docs/.vitepress'), path.join(copy, 'docs/.vitepress'), {
    recursive: true,
    filter: (name) => !/\/(?:cache|dist)$/.test(name),
  })
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
  writeFileSync(path.join(copy, 'package.json'), '{"type":"module"}')
  writeFileSync(path.join(copy, 'README.md'), '# Here\n\n[nowhere](docs/nowhere.md)\n')
  const { status, said } = build(copy, path.join(folder, 'dead'))
  expect(said).toMatch(/dead link.*nowhere/)
  expect(status).toBe(1)
})
