import { Command } from 'commander'
import { migrate } from '../../db/migrate.ts'
import { action, type CommandRun, examples } from '../call.ts'

export function migrateCommand(run: CommandRun): Command {
  return new Command('migrate')
    .summary('applies the migrations of the engine that the database lacks')
    .description(
      'applies the migrations of the engine that the database lacks, for deployments that use another role for them. Not through PgBouncer',
    )
    .addHelpText('after', examples('migrate', 'migrate --schema jobs'))
    .action(
      action(run, async (call) => {
        const { schema, directUrl, signal } = call
        const onNotice = (text: string) => call.notice(text)
        const applied = await migrate(directUrl, 'tasks', { mode: 'auto', schema, onNotice, signal })
        call.print(
          { schema: schema.name, applied },
          () => `${schema.name}: ${applied.length > 0 ? `applied ${applied.join(', ')}` : 'up to date'}`,
        )
      }),
    )
}
