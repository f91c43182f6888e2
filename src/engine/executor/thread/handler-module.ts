import { existsSync } from 'node:fs'
import nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'
import { PermanentError } from '../../definition/errors.ts'
import type { TaskHandler } from '../../definition/task.ts'

/** The extensions of a source and of what compilers make of it. */
const TWINS: Readonly<Record<string, readonly string[]>> = {
  '.ts': ['.js', '.mjs', '.cjs'],
  '.mts': ['.mjs'],
  '.cts': ['.cjs'],
  '.tsx': ['.js', '.jsx'],
  '.js': ['.ts', '.tsx'],
  '.jsx': ['.tsx'],
  '.mjs': ['.mts'],
  '.cjs': ['.cts'],
}
const EXTENSION = /\.[cm]?[jt]sx?$/
const TYPESCRIPT = /\.[cm]?tsx?$/

/** Files of modules, kept because the search for one blocks the main thread. */
const foundModules = new Map<string, string>()

/**
 * The file of a thread handler: the one that was named, or its twin, `resize.js` for `resize.ts` and the reverse. So one
 * URL finds a handler in sources, in tests and in compiled output. It is looked for until it is found.
 *
 * @throws PermanentError with the paths of all candidates if none exists
 */
export function findModule(module: URL): string {
  if (module.protocol !== 'file:') return module.href
  const known = foundModules.get(module.href)
  if (known !== undefined) return known
  const candidates = [module, ...twinsOf(module)]
  const found = candidates.find((candidate) => existsSync(candidate))
  if (found) {
    foundModules.set(module.href, found.href)
    return found.href
  }
  const paths = candidates.map((candidate) => fileURLToPath(candidate))
  throw new PermanentError(`the module of this thread handler does not exist; looked for ${paths.join(', ')}`)
}

function twinsOf(module: URL): URL[] {
  const [extension = ''] = EXTENSION.exec(module.pathname) ?? []
  return (TWINS[extension] ?? []).map((twin) => withPath(module, module.pathname.replace(EXTENSION, twin)))
}

function withPath(module: URL, pathname: string): URL {
  return Object.assign(new URL(module), { pathname })
}

/**
 * Loads the handler of a module that `findModule` found.
 *
 * @throws PermanentError if the module, or one that it imports, is missing, is not valid code, or exports no handler
 */
export async function loadHandler(module: string): Promise<TaskHandler> {
  const handler = unwrap(await load(module))
  if (typeof handler === 'function') return handler as TaskHandler
  throw new PermanentError(`${module} must export its handler as default`)
}

async function load(module: string): Promise<unknown> {
  try {
    const loaded: { default?: unknown } = await import(module)
    return loaded.default
  } catch (error) {
    throw isLoadError(error)
      ? new PermanentError(`${module} cannot be loaded: ${error.message}`, { cause: error })
      : error
  }
}

/** Of compiled CommonJS, the default export is a property of what `import()` calls the default. */
function unwrap(loaded: unknown): unknown {
  const isCompiled = typeof loaded === 'object' && loaded !== null && '__esModule' in loaded
  return isCompiled ? Reflect.get(loaded, 'default') : loaded
}

const LOAD_ERROR =
  /^(MODULE_NOT_FOUND|ERR_(MODULE_NOT_FOUND|UNKNOWN_FILE_EXTENSION|PACKAGE_PATH_NOT_EXPORTED|INVALID_MODULE_SPECIFIER|UNSUPPORTED_\w+))$/

/** Of a module that no later attempt in this process can load; an error that the module itself throws may pass. */
export function isLoadError(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  return error instanceof SyntaxError || ('code' in error && LOAD_ERROR.test(String(error.code)))
}

let resolves = false

/**
 * Resolves `./x.js` and `./x` in TypeScript sources as compilers do, to `./x.ts` if Node finds nothing itself: a test
 * runner or `tsx` does so in the main thread, but not in every worker.
 */
export function resolveTypeScript(): void {
  if (resolves) return
  resolves = true
  // By name it would fail the import on an older Node, before the plugin can report which one it needs.
  nodeModule.registerHooks({
    resolve(specifier, context, next) {
      try {
        return next(specifier, context)
      } catch (error) {
        const source = findSource(specifier, context.parentURL)
        if (source === undefined) throw error
        return next(source, context)
      }
    },
  })
}

function findSource(specifier: string, parent: string | undefined): string | undefined {
  if (parent === undefined || !TYPESCRIPT.test(parent) || !/^\.{1,2}\//.test(specifier)) return undefined
  const target = new URL(specifier, parent)
  const completed = ['.ts', '/index.ts'].map((end) => withPath(target, target.pathname + end))
  const candidates = EXTENSION.test(target.pathname) ? twinsOf(target) : completed
  return candidates.find((candidate) => existsSync(candidate))?.href
}

/** Whether imports of the module may need `resolveTypeScript`. */
export function isTypeScript(module: string): boolean {
  return TYPESCRIPT.test(new URL(module).pathname)
}
