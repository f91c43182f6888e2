import { currentTask } from '../../../../../src/engine/executor/attempt/running-task.ts'

/** Returns, and leaves an error behind that holds its secret. */
export default function leaking({ token, how }: { token: string; how: string }): unknown {
  setTimeout(() => {
    if (how === 'throw') throw new Error(`left behind: ${token}`)
    void Promise.reject(new Error(`left behind: ${JSON.stringify(token)}`))
  }, 50)
  return currentTask()?.taskType
}
