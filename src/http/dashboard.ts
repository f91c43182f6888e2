import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply } from 'fastify'
import { cacheControl, readBundledPage, serveBundledAssets } from './bundled-page.ts'
import type { DashboardMount } from './dashboard-mount.ts'

// Undefined in a CommonJS bundle. In other bundles the path below would lead to files of the host's.
const HERE: string | undefined = import.meta.url
/** The output of `npm run build`; the same path from src and dist. */
const FOLDER =
  HERE && /\/http\/dashboard\.(js|ts)$/.test(HERE)
    ? fileURLToPath(new URL('../../dist/dashboard/', HERE))
    : undefined

interface DashboardOptions {
  apiPrefix: string
  mount: DashboardMount
}

export async function mountDashboard(
  app: FastifyInstance,
  wanted: boolean | DashboardMount | undefined,
  apiPrefix: string,
): Promise<void> {
  if (wanted === undefined || wanted === false) return
  const mount = wanted === true ? {} : wanted
  const { prefix = '/admin' } = mount
  await app.register(dashboardRoutes, { prefix, apiPrefix: app.prefix + apiPrefix, mount })
}

// The page loads nothing but its own files.
const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join(';'),
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

const NOT_BUILT = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Tasks: the page is not built</title>
<h1>The admin page is not built</h1>
<p>The server runs, and so do tasks and the REST interface. Its log says why the page could not be built at the start.
Run <code>npm run build:dashboard</code> to try again, then start the server again.</p></html>`

const schema = { hide: true }

/**
 * The page's files hold no data and are public; the REST interface is guarded. A relative `<meta>` element names its
 * address, so that a proxy may move both.
 */
const dashboardRoutes: FastifyPluginAsync<DashboardOptions> = async (app, options) => {
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(HEADERS)
  })
  /** One route for both: a host may ignore trailing slashes. */
  const servePage = (send: (reply: FastifyReply) => FastifyReply) =>
    app.get('/', { schema }, async (request, reply) => {
      const [pathname = '', query] = request.url.split(/\?(.*)/s)
      if (pathname.endsWith('/')) return send(reply)
      const name = path.posix.basename(pathname)
      // Of a prefix with parameters, it may look like a URL.
      const withSlash = name.includes(':') ? `./${name}/` : `${name}/`
      return reply.redirect(query === undefined ? withSlash : `${withSlash}?${query}`, 302)
    })
  const index = FOLDER && path.join(FOLDER, 'index.html')
  const isInFolder = index !== undefined && existsSync(index)
  const bundled = isInFolder ? undefined : await readBundledPage()
  if (!isInFolder && !bundled) {
    app.log.error(
      `the admin page is not in ${FOLDER ?? 'this bundle'}: build it (npm run build:dashboard), or bundle the ` +
        'published package; see docs/operations.md, Bundles',
    )
    servePage((reply) => sendPage(reply.code(503).header('cache-control', 'no-store'), NOT_BUILT))
    return
  }

  const {
    login = 'host',
    title = '',
    environment = '',
    loginUrl = '',
    logoutUrl = '',
    homeUrl = '',
  } = options.mount
  const html = configure(bundled?.index ?? readFileSync(index ?? '', 'utf8'), {
    'tasks-api': path.posix.relative(app.prefix, options.apiPrefix),
    'tasks-login': login,
    'tasks-title': title,
    'tasks-environment': environment,
    'tasks-login-url': loginUrl,
    'tasks-logout-url': logoutUrl,
    'tasks-home-url': homeUrl,
  })
  servePage((reply) => sendPage(reply.header('cache-control', 'no-cache'), html))
  if (bundled) serveBundledAssets(app, bundled.assets)
  else await serveFolder(app, FOLDER ?? '')
}

async function serveFolder(app: FastifyInstance, root: string): Promise<void> {
  await app.register(fastifyStatic, {
    root,
    // A host may have registered it already.
    decorateReply: false,
    // Other paths are the host's own 404.
    wildcard: false,
    index: false,
    globIgnore: ['index.html', '**/*.{br,gz}'],
    preCompressed: true,
    cacheControl: false,
    schemaHide: true,
    setHeaders: (reply, file) => {
      reply.header('cache-control', cacheControl(path.relative(root, file)))
    },
  })
}

function configure(html: string, values: Record<string, string>): string {
  return html.replace(/(<meta name="([\w-]+)" content=")[^"]*(")/g, (whole, start, name, end) =>
    Object.hasOwn(values, name) ? `${start}${escapeHtml(values[name] ?? '')}${end}` : whole,
  )
}

function sendPage(reply: FastifyReply, html: string): FastifyReply {
  return reply.type('text/html; charset=utf-8').send(html)
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)
}
