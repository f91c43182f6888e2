import path from 'node:path'
import { renderMermaidSVG } from 'beautiful-mermaid'
import { defineConfig, type MarkdownOptions } from 'vitepress'
import { anchorOf, REWRITES, readNavigation, resolveLink, root } from './pages.ts'

type Markdown = Parameters<NonNullable<MarkdownOptions['config']>>[0]

/** The sources are written for GitHub: their links lead from file to file. */
function resolveLinks(markdown: Markdown): void {
  markdown.core.ruler.push('resolve-links', ({ tokens, env }) => {
    const from = path.relative(root, env.realPath ?? env.path)
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const link = token.type === 'link_open' ? token.attrGet('href') : null
      if (link !== null) token.attrSet('href', resolveLink(link, from))
    }
  })
}

const COLOURS = {
  light: { bg: '#ffffff', fg: '#3c3c43', muted: '#3c3c43', line: '#67676c' },
  dark: { bg: '#1b1b1f', fg: '#dfdfd6', muted: '#dfdfd6', line: '#98989f' },
}

/** Pictures for the light and the dark theme, of which styles.css shows one. */
function drawDiagrams(markdown: Markdown): void {
  const { fence } = markdown.renderer.rules
  markdown.renderer.rules.fence = (tokens, index, options, env, self) => {
    const { info = '', content = '' } = tokens[index] ?? {}
    if (info !== 'mermaid') return fence?.(tokens, index, options, env, self) ?? ''
    const text = markdown.utils.escapeHtml(content)
    const pictures = Object.entries(COLOURS).map(([theme, colours]) => {
      const svg = renderMermaidSVG(content, { ...colours, transparent: true, padding: 16 })
      // Fonts are those of the reader: the site asks no other host.
      const own = svg.replace(/@import url\([^)]*\);?/g, '')
      const source = `data:image/svg+xml;base64,${Buffer.from(own).toString('base64')}`
      return `<img class="diagram diagram-${theme}" alt="${text}" src="${source}">`
    })
    return `<p v-pre>${pictures.join('')}</p>\n`
  }
}

export default defineConfig({
  title: 'fastify-async-tasks',
  description: 'Background jobs for Fastify, in the PostgreSQL that you already have',
  base: '/fastify-async-tasks/',
  srcDir: '..',
  srcExclude: ['{test,examples,deploy,migrations,node_modules}/**', 'docs/*/**', 'AGENTS.md'],
  rewrites: { ...REWRITES, 'docs/:page.md': ':page.md' },
  cleanUrls: true,
  lastUpdated: false,
  // Those of the reader's own server.
  ignoreDeadLinks: [/^https?:\/\/(?:localhost|127\.0\.0\.1)\b/],
  markdown: {
    anchor: { slugify: anchorOf },
    config(markdown) {
      resolveLinks(markdown)
      drawDiagrams(markdown)
    },
  },
  locales: {
    root: { label: 'English', lang: 'en' },
    zh: { label: '中文', lang: 'zh-CN' },
  },
  themeConfig: {
    i18nRouting: false,
    search: { provider: 'local' },
    sidebar: readNavigation(),
    outline: [2, 3],
    socialLinks: [{ icon: 'github', link: 'https://github.com/example-owner/fastify-async-tasks' }],
  },
})
