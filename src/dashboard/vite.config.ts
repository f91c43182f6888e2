import path from 'node:path'
import { defineConfig } from 'vite'

const server = process.env.DASHBOARD_SERVER ?? 'http://127.0.0.1:3000'

/** `npm run build:dashboard` makes the page; `npm run dev:dashboard` serves it beside a server that runs. */
export default defineConfig({
  root: import.meta.dirname,
  // Relative: the host chooses the prefix.
  base: './',
  build: {
    outDir: path.resolve(import.meta.dirname, '../../dist/dashboard'),
    // A server that runs serves what it found at its start; names carry a hash, so old and new do not meet.
    emptyOutDir: false,
    target: 'es2023',
    // The content security policy allows no `data:` URL but for pictures.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { '/api': server } },
})
