import path from 'node:path'
import { build } from 'vite'

/**
 * One script of a test's page and all it imports, as an application's build would make it.
 *
 * @param code what `entry` contains, where it is no file
 */
export async function bundle(entry: string, code?: string): Promise<string> {
  const input = path.join(import.meta.dirname, entry)
  const result = await build({
    configFile: false,
    root: import.meta.dirname,
    logLevel: 'error',
    mode: 'development',
    plugins:
      code === undefined
        ? []
        : [
            {
              name: 'code',
              resolveId: (id) => (id === input ? id : null),
              load: (id) => (id === input ? code : null),
            },
          ],
    // React's own warnings are wanted: the tests look for them.
    define: { 'process.env.NODE_ENV': '"development"' },
    build: {
      write: false,
      minify: false,
      rollupOptions: { input },
    },
  })
  const chunks = [result].flat().flatMap((one) => ('output' in one ? one.output : []))
  const [chunk] = chunks.filter((one) => one.type === 'chunk')
  if (!chunk) throw new Error(`${entry} made no script`)
  return chunk.code
}
