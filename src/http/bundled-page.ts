import path from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

interface BundledPage {
  readonly index: string
  readonly assets: ReadonlyMap<string, Buffer>
}

/** The page that a bundle of the published package holds; undefined in sources. */
export async function readBundledPage(): Promise<BundledPage | undefined> {
  const { PAGE_FILES } = await import('./page-files.ts')
  const files = new Map(Object.entries(PAGE_FILES).map(([name, text]) => [name, Buffer.from(text, 'base64')]))
  const index = files.get('index.html')
  files.delete('index.html')
  return index && { index: brotliDecompressSync(index).toString(), assets: files }
}

export function serveBundledAssets(app: FastifyInstance, assets: BundledPage['assets']): void {
  for (const [name, compressed] of assets) {
    app.get(`/${name}`, { schema: { hide: true } }, async (request, reply) => {
      reply.header('cache-control', cacheControl(name)).header('vary', 'accept-encoding')
      reply.type(TYPES[path.posix.extname(name)] ?? 'application/octet-stream')
      const takesBrotli = /\bbr\b(?!;q=0)/.test(String(request.headers['accept-encoding']))
      return takesBrotli
        ? reply.header('content-encoding', 'br').send(compressed)
        : reply.send(brotliDecompressSync(compressed))
    })
  }
}

/** Names of assets carry a hash. */
export function cacheControl(name: string): string {
  return name.startsWith('assets') ? 'public, max-age=31536000, immutable' : 'no-cache'
}
