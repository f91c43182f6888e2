import { createHash, randomBytes } from 'node:crypto'
import { eq } from 'drizzle-orm'
import type { FastifyRequest } from 'fastify'
import { db } from './db.ts'
import { users } from './schema.ts'

const hash = (token: string) => createHash('sha256').update(token).digest('hex')

/** Returns the token, which is not stored: the only copy. */
export async function addUser(email: string): Promise<string> {
  const token = randomBytes(32).toString('base64url')
  await db.insert(users).values({ email, tokenHash: hash(token) })
  return token
}

export async function findUser({ headers }: FastifyRequest) {
  const [, token] = /^Bearer (.+)$/.exec(headers.authorization ?? '') ?? []
  if (!token) return undefined
  const [user] = await db
    .select()
    .from(users)
    .where(eq(users.tokenHash, hash(token)))
  return user
}
