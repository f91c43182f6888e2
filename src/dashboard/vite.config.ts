import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

const outDir = path.resolve(import.meta.dirname, '../../dist/dashboard')
const OLD_MS = 3_600_000

/** `npm run build:dashboard` makes the page; `npm run dev:dashboard` serves it beside a server on port 3000. */
export default defineConfig({
  root: import.meta.dirname,
  // Relative: the host chooses the prefix.
  base: './',
  build: {
    outDir,
    // A server that runs, or is just starting, serves what it found: names carry a hash, so old and new do not meet.
    emptyOutDir: false,
    target: 'es2023',
    // The content security policy allows no `data:` URL but for pictures.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  plugins: [finishAssets()],
  server: { proxy: { '/api': 'http://127.0.0.1:3000' } },
})

/** Compresses the assets once, and removes those of builds long past. */
function finishAssets(): Plugin {
  return {
    name: 'finish-assets',
    apply: 'build',
    writeBundle(_options, bundle) {
      const current = Object.keys(bundle).filter((name) => /\.(js|css)$/.test(name))
      for (const name of current) {
        const file = path.join(outDir, name)
        const content = readFileSync(file)
        writeFileSync(`${file}.br`, brotliCompressSync(content))
        writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }))
      }
      const assets = path.join(outDir, 'assets')
      for (const name of readdirSync(assets)) {
        const file = path.join(assets, name)
        const isCurrent = current.some((one) => name.startsWith(path.basename(one)))
        if (!isCurrent && Date.now() - statSync(file).mtimeMs > OLD_MS) rmSync(file, { force: true })
      }
    },
  }
}
