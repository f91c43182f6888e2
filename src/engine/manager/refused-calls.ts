import { TaskError } from '../definition/errors.ts'

/** Not refused after the close: it is repeated then. */
const STILL_CALLED = ['constructor', 'close']

/** Makes every method of `app.tasks` fail with `SHUTTING_DOWN` and its own name. */
export function refuseCalls(manager: object): void {
  for (const name of methodsOf(manager)) {
    const error = () =>
      new TaskError('SHUTTING_DOWN', `app.tasks.${name}() was called after the app had closed`)
    Object.defineProperty(manager, name, { value: refusal(name, error), configurable: true })
  }
}

/** As the method reports its errors. */
function refusal(name: string, error: () => TaskError): (...args: unknown[]) => unknown {
  if (name === 'on') {
    return () => {
      throw error()
    }
  }
  if (name === 'watch') {
    return async function* watch() {
      yield* await Promise.reject<never[]>(error())
    }
  }
  return () => Promise.reject(error())
}

function methodsOf(manager: object): string[] {
  const names: string[] = []
  let at: unknown = Object.getPrototypeOf(manager)
  while (at !== null && at !== Object.prototype) {
    const described = Object.entries(Object.getOwnPropertyDescriptors(at))
    names.push(...described.filter(([, { value }]) => typeof value === 'function').map(([name]) => name))
    at = Object.getPrototypeOf(at)
  }
  return names.filter((name) => !STILL_CALLED.includes(name))
}

/** A wait before the app is ready may never end: the executor that would run the task starts then. */
export function notReady(name: string): TaskError {
  return new TaskError(
    'NOT_READY',
    `app.tasks.${name}() was called before the app was ready, when its executor starts: await app.ready() first`,
  )
}
