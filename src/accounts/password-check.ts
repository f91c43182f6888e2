import { createHash } from 'node:crypto'
import type pg from 'pg'
import { verifyNobody, verifyPassword } from './passwords.ts'
import { findLogin, type Login, rememberLogin, takeGuess } from './store/logins.ts'
import type { UserWithHash } from './user.ts'

/** Twenty guesses at once and one more every 45 s make a hundred in the hour that begins with the first. */
export const GUESSES = { burst: 20, seconds: 45 } as const

/** The password was not checked: too many others were, for the same name. */
export class TooManyGuesses extends Error {
  override readonly name = 'TooManyGuesses'
  readonly retrySeconds = GUESSES.seconds
}

/**
 * Checks the password for a name, and bounds how many passwords strangers may try.
 *
 * A network that the user has logged in from is known, and its checks come first. All others share the guesses of that
 * name, over all processes and restarts: at most a hundred an hour, from all addresses together. That slows guessing
 * down and locks no user out: those who log in from where they have been do not notice. A name that does not exist has
 * guesses too, so that responses do not show which names do.
 */
export class PasswordCheck {
  readonly #pool: pg.Pool
  readonly #finding = new Map<string, Promise<Login>>()

  constructor(pool: pg.Pool) {
    this.#pool = pool
  }

  /**
   * @returns undefined when the name or the password is wrong
   * @throws TooManyGuesses, QueueFull: the password was not checked
   */
  async findUser(username: string, password: string, network: string): Promise<UserWithHash | undefined> {
    const { user, networks } = await this.#find(username)
    const isKnown = networks.includes(network)
    const turn = {
      key: network,
      isUrgent: isKnown,
      // Not before its turn: what is refused while it waits is no guess.
      begin: async () => {
        if (!isKnown && !(await takeGuess(this.#pool, hashName(username), GUESSES)))
          throw new TooManyGuesses()
      },
    }
    const isRight = await (user
      ? verifyPassword(password, user.passwordHash, turn)
      : verifyNobody(password, turn))
    return isRight ? user : undefined
  }

  /** Makes the network one that the user has logged in from, which was no guess. */
  async remember({ id, username }: UserWithHash, network: string): Promise<void> {
    await rememberLogin(this.#pool, { userId: id, network, nameHash: hashName(username), ...GUESSES })
  }

  /** Thousands of guesses at one name at once are one statement. */
  #find(username: string): Promise<Login> {
    const found = this.#finding.get(username)
    if (found) return found
    const finding = findLogin(this.#pool, username).finally(() => this.#finding.delete(username))
    this.#finding.set(username, finding)
    return finding
  }
}

/** Spellings of a name that people take for the same one are guessed at together. What was typed is not stored. */
export function hashName(username: string): string {
  return createHash('sha256').update(username.normalize('NFKC').toLowerCase()).digest('base64url')
}
