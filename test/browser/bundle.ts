import path from 'node:path'
import { build } from 'vite'

/** One script of a test's page and all it imports, as an application's build would make it. */
export async function bundle(entry: string): Promise<string> {
  const result = await build({
    configFile: false,
    root: import.meta.dirname,
    logLevel: 'error',
    mode: 'development',
    // React's own warnings are wanted: the tests look for them.
    define: { 'process.env.NODE_ENV': '"development"' },
    build: {
      write: false,
      minify: false,
      rollupOptions: { input: path.join(import.meta.dirname, entry) },
    },
  })
  const chunks = [result].flat().flatMap((one) => ('output' in one ? one.output : []))
  const [chunk] = chunks.filter((one) => one.type === 'chunk')
  if (!chunk) throw new Error(`${entry} made no script`)
  return chunk.code
}
