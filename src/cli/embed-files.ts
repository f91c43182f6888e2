import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync } from 'node:zlib'
import { build, type Plugin } from 'esbuild'

/** Writes the code of threads and the admin page into modules of `dist`, so that a bundle of one file holds them. */
const dist = fileURLToPath(new URL('../../dist', import.meta.url))
const threads = path.join(dist, 'engine/executor/thread')

/** A third of the bundle would be zod's messages in other languages. */
const inEnglish: Plugin = {
  name: 'in English',
  setup(bundle) {
    bundle.onLoad({ filter: /zod\/v4\/locales\/index\.c?js$/ }, () => ({
      contents: `export { default as en } from './en.js'`,
    }))
  },
}

const { outputFiles } = await build({
  entryPoints: [path.join(threads, 'worker.js')],
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node22',
  minify: true,
  // Stack traces in the logs of threads.
  keepNames: true,
  external: ['pg-native'],
  plugins: [inEnglish],
  write: false,
})
writeConstant(path.join(threads, 'worker-script.js'), 'WORKER_SCRIPT', outputFiles[0]?.text)

const page = path.join(dist, 'dashboard')
const names = readdirSync(page, { recursive: true, encoding: 'utf8' }).filter(
  (name) => statSync(path.join(page, name)).isFile() && !/\.(br|gz)$/.test(name),
)
const files = names.map((name) => [
  name.split(path.sep).join('/'),
  brotliCompressSync(readFileSync(path.join(page, name))).toString('base64'),
])
writeConstant(path.join(dist, 'http/page-files.js'), 'PAGE_FILES', Object.fromEntries(files))

function writeConstant(file: string, name: string, value: unknown): void {
  // An unexpected name would leave the module empty.
  if (!readFileSync(file, 'utf8').includes(`export const ${name}`)) throw new Error(`${file} has no ${name}`)
  writeFileSync(file, `export const ${name} = ${JSON.stringify(value)};\n`)
}
