import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'

const root = path.resolve(import.meta.dirname, '..')
const read = (name: string) => readFileSync(path.join(root, name), 'utf8')
const manifest = JSON.parse(read('package.json'))
const contributing = read('CONTRIBUTING.md')

const names = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)

test('CONTRIBUTING says why each entry of the top level is there', () => {
  const ignored = read('.gitignore')
    .split('\n')
    .map((line) => line.replace(/\/$/, ''))
  const present = readdirSync(root).filter(
    (name) => name !== '.git' && !ignored.includes(name) && !name.endsWith('.tgz'),
  )
  const [, section = ''] = contributing.split('### Top level\n')
  const rows = section.split('\n#')[0]?.match(/^\| `[^|]+\|/gm) ?? []
  expect(rows.flatMap(names).sort()).toEqual(present.sort())
})

const guides = [
  'README.md',
  'CONTRIBUTING.md',
  'AGENTS.md',
  'test/README.md',
  '.github/pull_request_template.md',
]

test.each(guides)('every command of npm and every file that %s names is there', (guide) => {
  const text = read(guide)
  const scripts = [...text.matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => name)
  expect(scripts.filter((name) => !(name in manifest.scripts))).toEqual([])
  const files = names(text).filter((name) =>
    /^(src|test|docs|deploy|migrations|\.ci|\.github)\/[\w./-]+$/.test(name),
  )
  const missing = files.filter((name) => !existsSync(path.join(root, name)))
  // What is built or written, and what test/README.md names from its own folder.
  expect(missing.filter((name) => !existsSync(path.join(root, path.dirname(guide), name)))).toEqual([])
})

test('AGENTS.md is short', () => {
  expect(read('AGENTS.md').split('\n').length).toBeLessThanOrEqual(45)
})

test('one command replaces the placeholder of the owner everywhere', () => {
  const copy = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-owner-'))
  onTestFinished(() => rmSync(copy, { recursive: true, force: true }))
  for (const name of ['package.json', 'CONTRIBUTING.md', 'README.md', '.github', 'docs']) {
    cpSync(path.join(root, name), path.join(copy, name), { recursive: true })
  }
  const [, command = ''] = /```sh\n(git grep .*)\n```/.exec(contributing) ?? []
  execFileSync('sh', ['-c', `git init --quiet && git add . && ${command}`], { cwd: copy })
  const left = readdirSync(copy, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('.git/'))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => readFileSync(file, 'utf8').includes('example-owner'))
  expect(left).toEqual([])
  const { repository, homepage, bugs, author } = JSON.parse(
    readFileSync(path.join(copy, 'package.json'), 'utf8'),
  )
  for (const value of [repository.url, homepage, bugs.url, author]) expect(value).toContain('your-name')
})

test('the workflow runs .ci/run on every Node and PostgreSQL that is promised', () => {
  const { jobs } = parse(read('.github/workflows/ci.yml'))
  const { node, postgres } = jobs.run.strategy.matrix
  expect(contributing.replace(/\s+/g, ' ')).toContain(
    `Node ${node[0]}, ${node[1]} and ${node[2]} with PostgreSQL ${postgres[0]} and ${postgres[1]}`,
  )
  expect(manifest.engines.node).toMatch(new RegExp(`^>=${node[0]}\\.`))
  const steps: { run?: string }[] = jobs.run.steps
  expect(steps.flatMap(({ run = [] }) => run)).toEqual(['.ci/run'])
  for (const variable of Object.keys(jobs.run.env)) expect(read('.ci/run')).toContain(`\${${variable}:`)
})

test('the docs site is built as contributors build it, and published from main', () => {
  const { on, jobs } = parse(read('.github/workflows/docs.yml'))
  expect(on).toEqual({ push: { branches: ['main'] } })
  const steps: { run?: string; uses?: string; with?: { path?: string } }[] = jobs.publish.steps
  expect(steps.flatMap(({ run = [] }) => run)).toEqual([
    'npm install --no-audit --no-fund',
    'npm run docs:build',
  ])
  const upload = steps.find(({ uses }) => uses?.startsWith('actions/upload-pages-artifact@'))
  expect(upload?.with?.path).toBe('docs/.vitepress/dist')
})

test('the release publishes what was tagged and checked, with provenance', () => {
  const { on, jobs } = parse(read('.github/workflows/release.yml'))
  expect(on).toEqual({ push: { tags: ['v*'] } })
  expect(jobs.publish.needs).toBe('check')
  expect(jobs.publish.permissions['id-token']).toBe('write')
  const steps: { run?: string }[] = jobs.publish.steps
  expect(steps.at(-1)?.run).toBe('npm publish --provenance --access public')
})

test('version managers install the Node of development', () => {
  expect(manifest.devDependencies.node.split('.')[0]).toBe(read('.nvmrc').trim())
})
