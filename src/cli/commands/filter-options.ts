import { type Command, InvalidArgumentError } from 'commander'
import { TASK_STATUSES } from '../../contract/task.ts'

/** Options of a command that selects tasks, with the names and rules of the list's query. */
export function addFilterOptions(command: Command): Command {
  return command
    .option('--status <status>', `${TASK_STATUSES.join(', ')}; repeatable`, (value, all: string[] = []) => [
      ...all,
      value,
    ])
    .option('--task-type <type>', 'a type')
    .option('--q <text>', "a task id's beginning, or a part of a type")
    .option('--created-after <instant>', 'created at or after, such as 2030-01-31T00:00:00Z')
    .option('--created-before <instant>', 'created before')
    .option('--created-by <id>', 'created by this user')
}

/** For options with a number; whether it is in their range is checked with the others. */
export function parseNumber(text: string): number {
  if (text.trim() === '' || Number.isNaN(Number(text))) throw new InvalidArgumentError('It must be a number.')
  return Number(text)
}
