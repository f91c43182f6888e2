/** `user` logs in and may do nothing, such as a former administrator. */
export type Role = 'admin' | 'viewer' | 'user'

export interface User {
  readonly id: string
  readonly username: string
  readonly role: Role
}

export interface UserWithHash extends User {
  readonly passwordHash: string
}

/** A user as administrators see it. */
export interface Account extends User {
  readonly disabled: boolean
  /** The administrator of ADMIN_USERNAME. */
  readonly managed: boolean
  readonly createdAt: Date
  /** Sessions that have not ended. */
  readonly sessions: number
}
