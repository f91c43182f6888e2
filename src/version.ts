/** That of package.json, which a bundle of one file does not have beside it. */
export const version = '0.1.0'

const [MAJOR, MINOR] = [22, 18]

/** npm only warns of an older Node, where the first missing method would fail without naming the cause. */
export function requireNode(given: string = process.versions.node): void {
  const [major = 0, minor = 0] = given.split('.').map(Number)
  if (major > MAJOR || (major === MAJOR && minor >= MINOR)) return
  throw new Error(`fastify-async-tasks needs Node.js ${MAJOR}.${MINOR} or later, and this is ${given}`)
}
