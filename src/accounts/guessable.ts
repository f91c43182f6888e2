import { createRequire } from 'node:module'
import type { ZxcvbnFactory } from '@zxcvbn-ts/core'
import { codeOf } from '../db/errors.ts'

/** What follows cannot make a guessable beginning much better, and the time of an estimate grows with the length. */
const CHECKED_CHARS = 64
/** Of 4; a lower score means fewer than a million guesses: within reach of guessing over the network. */
const MIN_SCORE = 2

let estimator: ZxcvbnFactory | undefined

/**
 * Whether a password is one of some 50,000 common ones, made of a few of them, of the user's name, of repetitions, dates or
 * keys in a row.
 */
export function isGuessable(password: string, username: string): boolean {
  estimator ??= loadEstimator()
  return estimator.check(password, [username]).score < MIN_SCORE
}

/** Loaded when the first password is set: most processes set none. */
function loadEstimator(): ZxcvbnFactory {
  const core = load('@zxcvbn-ts/core') as typeof import('@zxcvbn-ts/core')
  const common = load('@zxcvbn-ts/language-common') as typeof import('@zxcvbn-ts/language-common')
  return new core.ZxcvbnFactory({
    dictionary: common.dictionary,
    graphs: common.adjacencyGraphs,
    maxLength: CHECKED_CHARS,
  })
}

/** The bundled server has them; the published package, which sets passwords in a command alone, does not. */
function load(name: string): unknown {
  try {
    return createRequire(import.meta.url)(name)
  } catch (error) {
    if (codeOf(error) !== 'MODULE_NOT_FOUND') throw error
    throw new Error('to set a password, install @zxcvbn-ts/core and @zxcvbn-ts/language-common', {
      cause: error,
    })
  }
}
