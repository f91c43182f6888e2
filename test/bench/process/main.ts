import { findSystem } from '../systems.ts'
import type { Commands, Reply, Request } from './commands.ts'
import { SessionCommands } from './session-commands.ts'

/** A process in which one system is measured; its parent says what to do. */
const [, , name = '', url = ''] = process.argv
const commands: Commands = new SessionCommands(findSystem(name), url)

process.on('message', (request: Request) => void answer(request))
process.on('disconnect', () => process.exit())

async function answer({ id, name, args }: Request): Promise<void> {
  let reply: Reply
  try {
    // Each name's arguments are its own, which a union of requests cannot tell the compiler.
    const command = commands[name].bind(commands) as (...args: unknown[]) => Promise<unknown>
    reply = { id, value: await command(...args) }
  } catch (error) {
    reply = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  process.send?.(reply)
}
