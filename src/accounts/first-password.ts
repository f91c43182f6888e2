import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { codeOf } from '../db/errors.ts'
import { verifyPassword } from './passwords.ts'

/** Keeps the generated password of the first start until it is changed, in a file that only its owner can read. */
export class FirstPassword {
  readonly file: string

  constructor(file: string) {
    this.file = file
  }

  /** @throws the file system's error */
  keep(password: string): void {
    mkdirSync(path.dirname(this.file), { recursive: true })
    // An existing file would keep its mode.
    rmSync(this.file, { force: true })
    writeFileSync(this.file, `${password}\n`, { mode: 0o600, flag: 'wx' })
  }

  forget(): void {
    rmSync(this.file, { force: true })
  }

  /** The password may have been changed by another process. */
  async forgetUnless(passwordHash: string): Promise<void> {
    const kept = this.#read()
    if (kept !== undefined && !(await verifyPassword(kept, passwordHash))) this.forget()
  }

  #read(): string | undefined {
    try {
      return readFileSync(this.file, 'utf8').trim()
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    }
  }
}
