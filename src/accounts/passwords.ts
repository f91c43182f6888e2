import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { BoundedQueue, type Turn } from './bounded-queue.ts'

/**
 * Cost of a hash: 32 MiB and some 100 ms, one of the equivalent settings that OWASP's Password Storage Cheat
 * Sheet lists; the others need more memory at a time than a job runner should give to a log-in.
 */
const COST = { log2N: 15, r: 8, p: 3 } as const
const SALT_BYTES = 16
const HASH_BYTES = 32
/** Twice what COST needs (128 × N × r); a stored hash that asks for more is refused. */
const MAX_MEMORY_BYTES = 64 * 1024 * 1024

export interface CheckTurn extends Turn {
  /** Runs when the turn has come, before the password is hashed; when it rejects, nothing is. */
  begin(): Promise<void>
}

/**
 * A derivation keeps one of libuv's four threads, which DNS and files need too: log-ins get two of them. Behind
 * those some 3 s of work may wait; who comes later is refused at once instead of waiting in vain.
 */
const derivations = new BoundedQueue({ concurrency: 2, maxWaiting: 50 })

const STORED = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

/** In PHC string format: the parameters travel with the hash, so that they can be raised later. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(password, salt, HASH_BYTES, COST)
  return `$scrypt$ln=${COST.log2N},r=${COST.r},p=${COST.p}$${encode(salt)}$${encode(hash)}`
}

export async function verifyPassword(password: string, stored: string, turn?: CheckTurn): Promise<boolean> {
  const [, log2N, r, p, salt, hash] = STORED.exec(stored) ?? []
  if (salt === undefined || hash === undefined) return false
  const expected = Buffer.from(hash, 'base64')
  const cost = { log2N: Number(log2N), r: Number(r), p: Number(p) }
  const given = await derive(password, Buffer.from(salt, 'base64'), expected.length, cost, turn)
  return timingSafeEqual(given, expected)
}

/** Takes as long as a real check does: the time of a response must not reveal whether a name exists. */
export async function verifyNobody(password: string, turn?: CheckTurn): Promise<false> {
  await derive(password, Buffer.alloc(SALT_BYTES), HASH_BYTES, COST, turn)
  return false
}

/** 128 random bits, in letters that survive copying by hand. */
export function generatePassword(): string {
  return randomBytes(16).toString('hex')
}

interface Cost {
  log2N: number
  r: number
  p: number
}

/** @throws QueueFull */
function derive(
  password: string,
  salt: Buffer,
  bytes: number,
  cost: Cost,
  turn?: CheckTurn,
): Promise<Buffer> {
  return derivations.run(async () => {
    await turn?.begin()
    return deriveNow(password, salt, bytes, cost)
  }, turn)
}

function deriveNow(password: string, salt: Buffer, bytes: number, cost: Cost): Promise<Buffer> {
  const options = { N: 2 ** cost.log2N, r: cost.r, p: cost.p, maxmem: MAX_MEMORY_BYTES }
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, bytes, options, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}

function encode(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '')
}
