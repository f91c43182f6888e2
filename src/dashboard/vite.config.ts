import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

/** `npm run build:dashboard` makes the page; `npm run dev:dashboard` serves it beside a server on port 3000. */
export default defineConfig({
  root: import.meta.dirname,
  // Relative: the host chooses the prefix.
  base: './',
  build: {
    outDir: path.resolve(import.meta.dirname, '../../dist/dashboard'),
    emptyOutDir: true,
    target: 'es2023',
    // The content security policy allows no `data:` URL but for pictures.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  plugins: [compressAssets()],
  server: { proxy: { '/api': 'http://127.0.0.1:3000' } },
})

/** Once, here, instead of at every request. */
function compressAssets(): Plugin {
  return {
    name: 'compress-assets',
    apply: 'build',
    writeBundle({ dir = '' }, bundle) {
      for (const name of Object.keys(bundle).filter((one) => /\.(js|css)$/.test(one))) {
        const content = readFileSync(path.join(dir, name))
        writeFileSync(path.join(dir, `${name}.br`), brotliCompressSync(content))
        writeFileSync(path.join(dir, `${name}.gz`), gzipSync(content, { level: 9 }))
      }
    },
  }
}
