import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const docs = path.resolve(import.meta.dirname, '../../docs')

/** The title of a page, and the first sentence below it, without links. */
function summarise(name: string): string {
  const text = readFileSync(path.join(docs, name), 'utf8')
  const [, title = '', paragraph = ''] = /^# (.*)\n\n([^\n]+(?:\n[^\n]+)*)/.exec(text) ?? []
  const plain = paragraph.replace(/\s+/g, ' ').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
  const [sentence = ''] = /^.*?\.(?= |$)/.exec(plain) ?? []
  return `- [${title}](${name}): ${sentence}`
}

// Written by `npx vitest run test/docs/llms.test.ts -u`.
test('docs/llms.txt tells assistants what each page is about', async () => {
  const pages = readdirSync(docs).filter((name) => name.endsWith('.md'))
  const lines = [
    '# fastify-async-tasks',
    '',
    '> A background job runner for Fastify on PostgreSQL: handlers run inside the app, tasks are rows in its database.',
    '',
    '## Docs',
    '',
    ...pages.sort().map(summarise),
    '',
  ]
  await expect(lines.join('\n')).toMatchFileSnapshot('../../docs/llms.txt')
})
