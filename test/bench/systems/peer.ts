/**
 * Peers are loaded when they are first needed, by a name that TypeScript does not follow: the project is checked,
 * and our own systems are measured, where none is installed. Each caller states what it uses of its peer.
 */
export async function importPeer<Module>(name: string): Promise<Module> {
  // Nothing but the peer's documentation vouches for this shape.
  return (await import(name)) as Module
}

/** Connections that a peer may use in a process. Four processes of a hundred that PostgreSQL allows by default. */
export const POOL_SIZE = 20
