import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { System } from '../system.ts'
import type { Commands, Reply } from './commands.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

/** A process of a system's own, and what it can be told to do. */
export interface MeasuringProcess extends Commands {
  readonly pid: number
  /** Asks it to end, and waits until it has. */
  end(): Promise<void>
}

/** @param execArgv for a profile or a heap's size; default: none */
export function forkProcess(system: System, url: string, execArgv: readonly string[] = []): MeasuringProcess {
  const child = fork(MAIN, [system.name, url], { execArgv: [...execArgv], serialization: 'advanced' })
  const ask = createCaller(child, system.name)
  const exited = once(child, 'exit')
  return {
    pid: child.pid ?? 0,
    open: (options) => ask('open', [options]),
    close: () => ask('close', []),
    createFor: (options) => ask('createFor', [options]),
    createMany: (options) => ask('createMany', [options]),
    createPaced: (options) => ask('createPaced', [options]),
    offer: (options) => ask('offer', [options]),
    takeStarts: () => ask('takeStarts', []),
    readCpu: () => ask('readCpu', []),
    readHeap: () => ask('readHeap', []),
    async end() {
      if (child.connected) child.disconnect()
      await exited
    },
  }
}

function createCaller(child: ChildProcess, what: string) {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let calls = 0
  child.on('message', ({ id, value, error }: Reply) => {
    const answer = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) answer?.resolve(value)
    else answer?.reject(new Error(`${what}: ${error}`))
  })
  child.on('exit', (code, signal) => {
    for (const answer of waiting.values()) answer.reject(new Error(`${what} ended: ${code ?? signal}`))
    waiting.clear()
  })
  return <Name extends keyof Commands>(name: Name, args: Parameters<Commands[Name]>) => {
    const answer = Promise.withResolvers<unknown>()
    const id = ++calls
    waiting.set(id, answer)
    child.send({ id, name, args })
    // The other side answers a command with what the interface says.
    return answer.promise as ReturnType<Commands[Name]>
  }
}
