import { HttpProblem } from '../http/problems.ts'
import { WeakPassword } from './password-rules.ts'

/** For a `catch`. `field` of the body is the new password. */
export function refuseWeak(field: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof WeakPassword)) throw error
    const errors = [{ pointer: `/${field}`, detail: error.message }]
    throw new HttpProblem(400, 'WEAK_PASSWORD', `${field}: ${error.message}`, { errors })
  }
}
