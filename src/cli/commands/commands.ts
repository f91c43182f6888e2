import type { Command } from 'commander'
import type { CommandRun } from '../call.ts'
import { cancelCommand } from './cancel.ts'
import { completionCommand } from './completion.ts'
import { createCommand } from './create.ts'
import { deleteCommand } from './delete.ts'
import { doctorCommand } from './doctor.ts'
import { listCommand } from './list.ts'
import { logsCommand } from './logs.ts'
import { mcpCommand } from './mcp.ts'
import { migrateCommand } from './migrate.ts'
import { pauseCommand } from './pause.ts'
import { pruneCommand } from './prune.ts'
import { resumeCommand } from './resume.ts'
import { retryCommand } from './retry.ts'
import { schedulesCommand } from './schedules.ts'
import { showCommand } from './show.ts'
import { statusCommand } from './status.ts'
import { usersCommand } from './users.ts'

/** In the order of the help. */
export const COMMANDS: readonly ((run: CommandRun) => Command)[] = [
  doctorCommand,
  statusCommand,
  listCommand,
  showCommand,
  logsCommand,
  createCommand,
  cancelCommand,
  retryCommand,
  deleteCommand,
  pauseCommand,
  resumeCommand,
  schedulesCommand,
  pruneCommand,
  usersCommand,
  migrateCommand,
  mcpCommand,
  completionCommand,
]
