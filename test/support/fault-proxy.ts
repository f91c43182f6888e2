import type { AddressInfo } from 'node:net'
import net from 'node:net'

/** What happens to the bytes between a client and PostgreSQL. */
export type Fault =
  /** All bytes pass. */
  | 'none'
  /** Connections are reset and new ones refused. */
  | 'reset'
  /** Connections stay open and nothing passes: a cable was pulled. One that lost bytes stays dead for ever. */
  | 'silence'

export interface FaultProxy {
  /** The database's address, through the proxy. */
  readonly url: string
  set(fault: Fault): void
  /**
   * Lets the next client message that contains this text reach the server, then drops the answer: the server has
   * done the work and the client cannot know. Resolves when it has happened.
   */
  dropAnswerTo(text: string): Promise<void>
  /** The same, but the connection stays open without a word: its server is gone, and no packet tells so. */
  swallowAnswerTo(text: string): Promise<void>
  close(): Promise<void>
}

/** A TCP proxy on 127.0.0.1 in front of a PostgreSQL server. */
export async function startFaultProxy(databaseUrl: string): Promise<FaultProxy> {
  const target = new URL(databaseUrl)
  let fault: Fault = 'none'
  let doomed: { text: string; staysOpen: boolean; done: () => void } | undefined
  const sockets = new Set<net.Socket>()

  const server = net.createServer((client) => {
    if (fault === 'reset') return client.resetAndDestroy()
    const upstream = net.connect(Number(target.port), target.hostname)
    const pair = [client, upstream]
    let lost: typeof doomed
    let isDead = false
    const isSilent = () => {
      isDead ||= fault === 'silence'
      return isDead
    }
    const end = () => {
      for (const socket of pair) socket.destroy()
      for (const socket of pair) sockets.delete(socket)
    }
    for (const socket of pair) {
      sockets.add(socket)
      socket.on('error', end)
      socket.on('close', end)
    }
    client.on('data', (bytes) => {
      if (isSilent()) return
      if (doomed && bytes.includes(doomed.text)) {
        lost = doomed
        doomed = undefined
      }
      upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (lost) {
        // The server has answered, so it has committed.
        if (lost.staysOpen) isDead = true
        else end()
        lost.done()
      } else if (!isSilent()) client.write(bytes)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)

  const doom = (text: string, staysOpen: boolean) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    doomed = { text, staysOpen, done: resolve }
    return promise
  }
  return {
    url: url.href,
    set(next) {
      fault = next
      if (next === 'reset') for (const socket of sockets) socket.resetAndDestroy()
    },
    dropAnswerTo: (text) => doom(text, false),
    swallowAnswerTo: (text) => doom(text, true),
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
