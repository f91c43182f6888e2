import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { taskSettings } from '../../src/engine/definition/settings.ts'

const root = path.resolve(import.meta.dirname, '../..')
const read = (name: string) => readFileSync(path.join(root, name), 'utf8')
const report = read('test/api/report.md')

/** The cells of the rows under a heading whose first cell begins with code. */
function rowsUnder(file: string, heading: string): string[][] {
  const [, text = ''] = read(file).split(`\n## ${heading}\n`)
  const rows = text.split('\n## ')[0]?.match(/^\| `.*$/gm) ?? []
  return rows.map((row) => row.split(/ *\| */).slice(1, -1))
}

/** The first word of each piece of code in the first cells: the name of an option or a method. */
const namesIn = (rows: string[][]) =>
  new Set(rows.flatMap(([cell = '']) => [...cell.matchAll(/`(\w+)/g)].map(([, name]) => name)))

/** Methods that only the plugin calls. */
const INTERNAL = ['constructor', 'requireTaskType', 'declareSchedules', 'close']

/** The members of public types, as the report shows them. */
function membersOf(...declarations: string[]): Set<string | undefined> {
  const members = declarations.flatMap((declaration) => {
    const [, text = ''] = report.split(`\nexport ${declaration}`)
    const found = (text.split('\n}')[0] ?? '').matchAll(/^ {4}(?:readonly )?(\w+)[?:(<]/gm)
    return Array.from(found, ([, name = '']) => name)
  })
  return new Set(members.filter((name) => !INTERNAL.includes(name)))
}

const PAGE = 'docs/options.md'
const plugin = rowsUnder(PAGE, 'Options of the plugin')

test('the page has every option of the plugin', () => {
  expect(namesIn(plugin)).toEqual(membersOf('interface AsyncTasksOptions', 'interface TaskSettingsInput'))
})

test('the page has the default and the range of every setting', () => {
  const shown = new Map(plugin.map(([name = '', fallback, range]) => [name.slice(1, -1), [fallback, range]]))
  const thousands = (number: number | null) => Number(number).toLocaleString('en')
  const numbers = Object.entries(taskSettings.shape).flatMap(([name, schema]) => {
    const inner = schema.unwrap() as z.ZodType
    return inner instanceof z.ZodNumber ? [{ name, schema, inner }] : []
  })
  expect(numbers.length).toBeGreaterThan(10)
  for (const { name, schema, inner } of numbers) {
    const fallback = schema instanceof z.ZodDefault ? thousands(Number(schema.def.defaultValue)) : 'as above'
    const range = `${thousands(inner.minValue)} … ${thousands(inner.maxValue)}`
    expect(shown.get(name), name).toEqual([fallback, range])
  }
})

test('the page has every option of a type, and all of the context', () => {
  const types = namesIn(rowsUnder(PAGE, 'Options of a task type'))
  expect(types).toEqual(membersOf('interface TaskOptions', 'interface ThreadTaskOptions'))
  const context = namesIn(rowsUnder(PAGE, 'The context of a handler'))
  expect(context).toEqual(membersOf('interface TaskContext'))
})

test('the page has every method of app.tasks', () => {
  const classes = ['declare class TaskManager', 'declare class ChangeMethods', 'declare class FleetMethods {']
  expect(namesIn(rowsUnder(PAGE, 'Methods of app.tasks'))).toEqual(membersOf(...classes))
})

test('the page has every import', () => {
  const { exports } = JSON.parse(read('package.json'))
  const entries = Object.keys(exports).filter((entry) => entry !== './package.json')
  const shown = rowsUnder(PAGE, 'Imports').map(([cell = '']) => cell.slice(1, -1))
  expect(shown).toEqual(entries.map((entry) => entry.replace('.', 'fastify-async-tasks')))
})

test('other pages have every option of a new task, of the admin page and of the client', () => {
  const [, table = ''] = read('docs/creating-tasks.md').split('\n| option ')
  const rows = table.split('\n\n')[0]?.match(/^\| `.*$/gm) ?? []
  const created = namesIn(rows.map((row) => row.split(/ *\| */).slice(1)))
  expect(created).toEqual(membersOf('interface CreateTaskOptions', 'interface ActorOptions'))
  expect(namesIn(rowsUnder('docs/dashboard.md', 'Set it up'))).toEqual(membersOf('interface DashboardMount'))
  const client = ['TasksClientOptions', 'WatchAllOptions', 'WatchOptions extends', 'WatchTasksOptions']
  expect(namesIn(rowsUnder('docs/live.md', 'Client'))).toEqual(
    membersOf(...client.map((name) => `interface ${name}`)),
  )
})
