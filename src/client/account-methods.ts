import type {
  AccountView,
  CallerView,
  Credentials,
  NewUser,
  OpenSessionView,
  PasswordChange,
  SessionView,
  UserChange,
  UserView,
} from '../contract/session.ts'
import { decodeSessions, decodeUser, decodeUsers, requireObject } from './decode.ts'
import type { CallOptions, Requester } from './request.ts'

/** Of a client: who calls, and the users and sessions of the bundled server. */
export class AccountMethods {
  readonly #requester: Requester

  constructor(requester: Requester) {
    this.#requester = requester
  }

  /** The caller's id and name, as the host's `authorize` returned them, and its role. */
  async getCaller(options?: CallOptions): Promise<CallerView> {
    return requireObject(await this.#requester.json('GET', '/me', options))
  }

  /**
   * Logs in to the bundled server: a browser receives a session cookie, a program uses the `token`.
   *
   * @throws TasksApiError `INVALID_CREDENTIALS`, `TOO_MANY_FAILURES`, `TOO_MANY_LOGINS`
   */
  async login(credentials: Credentials, options?: CallOptions): Promise<SessionView> {
    return requireObject(await this.#requester.json('POST', '/auth/login', { ...options, body: credentials }))
  }

  /** Logs out of the bundled server. */
  async logout(options?: CallOptions): Promise<void> {
    await this.#requester.json('POST', '/auth/logout', options)
  }

  /** The user who is logged in to the bundled server. @throws TasksApiError status 401 if nobody is */
  async me(options?: CallOptions): Promise<UserView> {
    return requireObject<{ user: UserView }>(await this.#requester.json('GET', '/auth/me', options)).user
  }

  /** The user of the bundled server whose id a task's `createdBy` is. @throws TasksApiError `USER_NOT_FOUND` */
  async getUser(userId: string, options?: CallOptions): Promise<UserView> {
    const path = `/auth/users/${encodeURIComponent(userId)}`
    return requireObject<{ user: UserView }>(await this.#requester.json('GET', path, options)).user
  }

  /**
   * Changes the caller's own password in the bundled server, and ends the caller's other sessions.
   *
   * @throws TasksApiError `WRONG_PASSWORD`, `WEAK_PASSWORD`, `TOO_MANY_FAILURES`
   */
  async changePassword(change: PasswordChange, options?: CallOptions): Promise<void> {
    await this.#requester.json('POST', '/auth/password', { ...options, body: change })
  }

  /** The caller's open sessions in the bundled server, the last used first. */
  async listSessions(options?: CallOptions): Promise<OpenSessionView[]> {
    return decodeSessions(await this.#requester.json('GET', '/auth/sessions', options)).sessions
  }

  /** Ends one of the caller's sessions in the bundled server. @throws TasksApiError `SESSION_NOT_FOUND` */
  async endSession(sessionId: string, options?: CallOptions): Promise<void> {
    await this.#requester.json('DELETE', `/auth/sessions/${encodeURIComponent(sessionId)}`, options)
  }

  /** Logs the caller out of the bundled server everywhere, here included. */
  async endAllSessions(options?: CallOptions): Promise<void> {
    await this.#requester.json('DELETE', '/auth/sessions', options)
  }

  /** The users of the bundled server by name, for admins. */
  async listUsers(options?: CallOptions): Promise<AccountView[]> {
    return decodeUsers(await this.#requester.json('GET', '/auth/users', options)).users
  }

  /** Adds a user to the bundled server, for admins. @throws TasksApiError `USERNAME_TAKEN`, `WEAK_PASSWORD`, `TOO_MANY_USERS` */
  async createUser(user: NewUser, options?: CallOptions): Promise<AccountView> {
    return decodeUser(await this.#requester.json('POST', '/auth/users', { ...options, body: user })).user
  }

  /**
   * Changes a user of the bundled server, for admins.
   *
   * @throws TasksApiError `USER_NOT_FOUND`, `USERNAME_TAKEN`, `WEAK_PASSWORD`, `LAST_ADMIN`, or `MANAGED_USER` for the name,
   *   role or state of the user of `ADMIN_USERNAME`
   */
  async changeUser(userId: string, change: UserChange, options?: CallOptions): Promise<AccountView> {
    const path = `/auth/users/${encodeURIComponent(userId)}`
    return decodeUser(await this.#requester.json('PATCH', path, { ...options, body: change })).user
  }
}
