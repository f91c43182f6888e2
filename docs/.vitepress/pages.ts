import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

export const root = path.resolve(import.meta.dirname, '../..')
const repository = 'https://github.com/example-owner/fastify-async-tasks/blob/main'

/** Where the pages outside of `docs` are on the site. */
export const REWRITES: Readonly<Record<string, string>> = {
  'README.md': 'index.md',
  'README.zh-CN.md': 'zh/index.md',
  'CHANGELOG.md': 'changelog.md',
  'CONTRIBUTING.md': 'contributing.md',
  'src/engine/README.md': 'engine.md',
}

const read = (file: string) => readFileSync(path.join(root, file), 'utf8')
const isPage = (file: string) => file in REWRITES || /^docs\/[\w-]+\.md$/.test(file)

/** The address on the site of a page's source, a path in the repository. */
function addressOf(page: string): string {
  const rewritten = REWRITES[page] ?? page.replace(/^docs\//, '')
  return `/${rewritten.replace(/(?:(^|\/)index)?\.md$/, '$1')}`
}

/**
 * A link as the site needs it: to another page, else to the file in the repository. What does not exist stays as it is,
 * and fails the build.
 *
 * @param from the page's source
 */
export function resolveLink(link: string, from: string): string {
  if (/^(?:[a-z]+:|#|\/)/.test(link)) return link
  const [name = '', anchor] = link.split('#')
  const target = path.posix.join(path.posix.dirname(from), name)
  const end = anchor === undefined ? '' : `#${anchor}`
  if (isPage(target) && existsSync(path.join(root, target))) return addressOf(target) + end
  return existsSync(path.join(root, target)) ? `${repository}/${target}${end}` : link
}

/** As GitHub makes anchors of headings, so that the same links work there. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

const PURPOSES: Readonly<Record<string, string>> = {
  Learn: 'tutorial',
  Build: 'how-to',
  Run: 'how-to',
  'Look up': 'reference',
  Understand: 'explanation',
  'Move here': 'how-to',
}

interface Group {
  readonly text: string
  readonly items: { text: string; link: string }[]
}

/** The table of the README's chapter Documentation: a row is a group of pages with one purpose. Then what it leaves out. */
export function readNavigation(): Group[] {
  const [, chapter = ''] = read('README.md').split('\n## Documentation\n')
  const groups = [...chapter.matchAll(/^\| \*\*([^*]+)\*\* +\| (.*?) *\|$/gm)].map(
    ([, name = '', cell = '']) => ({
      text: `${name} · ${PURPOSES[name] ?? 'more'}`,
      items: [...cell.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)].map(([, text = '', link = '']) => ({
        text: text[0]?.toUpperCase() + text.slice(1),
        link: resolveLink(link, 'README.md'),
      })),
    }),
  )
  const listed = groups.flatMap(({ items }) => items.map(({ link }) => link.split('#')[0]))
  const others = readdirSync(path.join(root, 'docs'))
    .filter((name) => name.endsWith('.md') && !listed.includes(addressOf(`docs/${name}`)))
    .map((name) => ({
      text: /^# (.*)$/m.exec(read(`docs/${name}`))?.[1] ?? name,
      link: addressOf(`docs/${name}`),
    }))
  return [...groups, { text: 'More', items: others }]
}
