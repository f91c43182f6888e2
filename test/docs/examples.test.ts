import { existsSync, globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { blocksOf } from '../support/docs.ts'

/**
 * Which test runs which example. A new example fails here until a test runs it, or until a reason says why none can.
 * Pages whose test calls `examplesNotRunBy` need no entry for the languages that it compares.
 */

const root = path.resolve(import.meta.dirname, '../..')
const read = (name: string) => readFileSync(path.join(root, name), 'utf8')

const PAGES = globSync(['README.md', 'CONTRIBUTING.md', 'docs/*.md', 'examples/**/README.md'], {
  cwd: root,
  exclude: ['**/node_modules/**'],
})
/** What a machine can run. Mermaid is drawn by the docs site; the others configure programs of others. */
const RUNNABLE = ['js', 'ts', 'tsx', 'sh', 'sql', 'dockerfile']

/** The test, or the reason, by the words with which an example begins. `*`: all others of the page. */
const ELSEWHERE: Record<string, Record<string, string>> = {
  'README.md': {
    'npm install fastify-async-tasks': 'test/package/installed-package.ts',
    'import { setTimeout as pause }': 'test/package/package.test.ts',
    'npm install && npm start': 'test/processes/server.test.ts',
  },
  'CONTRIBUTING.md': {
    'npm install\n': 'reason: .ci/run does the same',
    'git grep': 'test/repository.test.ts',
  },
  'docs/audit.md': { curl: 'test/docs/commands.test.ts' },
  'docs/benchmark.md': { 'npm run bench': 'test/bench/bench.long.test.ts' },
  'docs/cli.md': {
    'export DATABASE_URL': 'test/docs/command-line.test.ts',
    'npx fastify-async-tasks completion': 'test/docs/command-line.test.ts',
    'npm install @modelcontextprotocol/sdk': 'reason: it is what package.json installs for the tests of mcp',
  },
  'docs/containers.md': {
    'FROM node:24-bookworm-slim AS packages': 'reason: needs the app of a reader and a container engine',
    'docker build': 'test/package/image.long.test.ts',
    'node test/processes': 'test/processes/replicas/loss.test.ts',
  },
  'docs/dashboard.md': { '*': 'test/browser/host-logins.test.ts' },
  'docs/embedding.md': {
    'DATABASE_URL=': 'test/docs/command-line.test.ts',
    'grant usage': 'test/schema/migrations.slow.test.ts',
    'import { pgSequence }': 'test/package/drizzle-kit.test.ts',
  },
  'docs/live.md': {
    curl: 'test/docs/commands.test.ts',
    "import { createTasksClient } from 'fastify-async-tasks/client'\n\n": 'test/package/package.test.ts',
    "import { createTasksClient } from 'fastify-async-tasks/client'\nimport":
      'test/browser/live-example.long.test.ts',
  },
  'docs/long-tasks.md': { '*': 'test/package/long-task.long.test.ts' },
  'docs/moving.md': { '*': 'test/docs/moving.long.test.ts' },
  'docs/operations.md': { curl: 'test/docs/commands.test.ts', esbuild: 'test/package/bundle.test.ts' },
  'docs/schedules.md': { '*': 'test/docs/schedules.test.ts' },
  'docs/server.md': {
    'npm install && npm start': 'test/processes/server.test.ts',
    '*': 'test/docs/commands.test.ts',
  },
  'docs/troubleshooting.md': { DATABASE_URL: 'test/docs/command-line.test.ts' },
  'docs/tutorial.md': { '*': 'test/package/tutorial.test.ts' },
  ...Object.fromEntries(
    PAGES.filter((page) => /^examples\/.+\//.test(page)).map((page) => [
      page,
      { '*': 'test/package/examples.long.test.ts' },
    ]),
  ),
  'examples/README.md': { 'npm install\n': 'test/package/examples.long.test.ts' },
}

/** By page: the languages of which a test compares every example with its own code, line by line. */
const compared = new Map<string, { test: string; languages: string[] }>()
for (const test of globSync('test/docs/*.test.ts', { cwd: root })) {
  for (const [, page = '', languages = `['ts']`] of read(test).matchAll(
    /examplesNotRunBy\(import\.meta\.url, '([^']+)'(?:, (\[[^\]]*\]))?\)/g,
  )) {
    const names = [...languages.matchAll(/'(\w+)'/g)].map(([, name = '']) => name)
    compared.set(path.join('docs', page), { test, languages: names })
  }
}

/** Where an example is run, in the words of the table. */
function runnerOf(page: string, language: string, text: string): string | undefined {
  const entries = Object.entries(ELSEWHERE[page] ?? {})
  const [, found] = entries.find(([start]) => text.startsWith(start)) ?? []
  if (found) return found
  const comparison = compared.get(page)
  if (comparison?.languages.includes(language)) return comparison.test
  return ELSEWHERE[page]?.['*']
}

test.each(PAGES)('every example of %s is run by a test, or a reason says why not', (page) => {
  const examples = blocksOf(page).filter(({ language }) => RUNNABLE.includes(language))
  const missing = examples.filter(({ language, text }) => runnerOf(page, language, text) === undefined)
  expect(missing.map(({ language, text }) => `${language}: ${text.split('\n')[0]}`)).toEqual([])
})

test('each entry of the table is an example, and its test is there', () => {
  for (const [page, entries] of Object.entries(ELSEWHERE)) {
    const texts = blocksOf(page).map(({ text }) => text)
    for (const [start, runner] of Object.entries(entries)) {
      const isThere = start === '*' || texts.some((text) => text.startsWith(start))
      expect(isThere, `${page}: ${start}`).toBe(true)
      if (!runner.startsWith('reason: ')) expect(existsSync(path.join(root, runner)), runner).toBe(true)
    }
  }
})

test('a page without a test would be seen', () => {
  expect(runnerOf('docs/limits.md', 'sh', 'npm run nothing\n')).toBeUndefined()
  expect(runnerOf('docs/nowhere.md', 'ts', 'const a = 1\n')).toBeUndefined()
})
