import type { Command } from 'commander'

interface Words {
  /** Such as `schedules run`; empty: the program. */
  readonly path: string
  readonly words: readonly string[]
}

/** What may follow each command: its own commands, its options and those of the program. */
function wordsOf(program: Command): Words[] {
  const globals = program.options.map(({ long }) => long ?? '')
  const walk = (command: Command, path: string): Words[] => [
    {
      path,
      words: [
        ...command.commands.map((one) => one.name()),
        ...command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
        ...(command === program ? [] : command.options.map(({ long }) => long ?? '')),
        ...globals,
        '--help',
      ],
    },
    ...command.commands.flatMap((one) => walk(one, `${path} ${one.name()}`.trim())),
  ]
  return walk(program, '')
}

export function bashCompletion(program: Command): string {
  const cases = wordsOf(program).map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`)
  return `_fastify_async_tasks() {
  local path='' word words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " ${commandWords(program).join(' ')} " in
      *" $word "*) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
    *) words='--help' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _fastify_async_tasks ${program.name()}
`
}

export function zshCompletion(program: Command): string {
  return `autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n${bashCompletion(program)}`
}

export function fishCompletion(program: Command): string {
  const name = program.name()
  const lines = wordsOf(program).map(({ path, words }) => {
    const condition = path ? `__fish_seen_subcommand_from ${path.split(' ').at(-1)}` : '__fish_use_subcommand'
    return `complete -c ${name} -f -n '${condition}' -a '${words.join(' ')}'`
  })
  return `${lines.join('\n')}\n`
}

function commandWords(program: Command): string[] {
  return program.commands.flatMap((one) => [one.name(), ...one.commands.map((inner) => inner.name())])
}
