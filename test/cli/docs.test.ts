import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { allOf } from '../../src/cli/command-line.ts'
import { ILLNESSES } from '../../src/cli/doctor/illness.ts'
import { program } from './run-command.ts'

const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8')

/** The text under a heading, up to the next one of its level. */
function sectionOf(heading: string): string {
  const [, text = ''] = `${page}\n`.split(`\n${heading}\n`)
  const [level = ''] = heading.split(' ')
  return text.split(`\n${level} `)[0] ?? ''
}

const firstCells = (text: string) => [...text.matchAll(/^\| `([^`]+)`/gm)].map(([, cell]) => cell)

const pathOf = (command: Command): string =>
  command.parent && command.parent !== program
    ? `${pathOf(command.parent)} ${command.name()}`
    : command.name()

const commands = allOf(program).filter((command) => command.commands.length === 0)

test('the page has every command, in the order of the help', () => {
  const told = [...page.matchAll(/^### (.*)$/gm)].map(([, heading]) => heading)
  expect(told).toEqual(commands.map(pathOf))
})

test.each(commands.map((command) => [pathOf(command), command] as const))(
  'the page has the arguments and options of %s',
  (path, command) => {
    const section = sectionOf(`### ${path}`)
    const args = command.registeredArguments.map((argument) => {
      const name = `${argument.name()}${argument.variadic ? '...' : ''}`
      return argument.required ? `<${name}>` : `[${name}]`
    })
    expect(section).toContain(`\`${[path, ...args].join(' ')}\` `)
    expect(firstCells(section)).toEqual(command.options.map(({ flags }) => flags))
  },
)

test('the page has the options of all commands, and every illness', () => {
  const flags = program.options.map((option) => option.flags)
  expect(new Set(firstCells(sectionOf('## Options')))).toEqual(new Set([...flags, '-h, --help']))
  expect(firstCells(sectionOf('## Illnesses'))).toEqual(ILLNESSES)
})
