import { useQuery } from '@tanstack/react-query'
import { Command } from 'cmdk'
import { useState } from 'react'
import { flushSync } from 'react-dom'
import type { Dictionary } from '../i18n/en.ts'
import { useText } from '../i18n/text.ts'
import { zoneName } from '../i18n/time.ts'
import { visible } from '../i18n/visible.ts'
import { readTyped } from '../requests.ts'
import { chooseLanguage, chooseTheme, chooseZone, language, THEMES, zone } from '../state/preferences.ts'
import { typesQuery } from '../state/queries.ts'
import { go, type Query } from '../state/route.ts'
import { useReadOnly } from '../state/server-state.tsx'
import { useStore } from '../state/store.ts'
import { Dialog } from './dialog.tsx'

interface Entry {
  readonly key: string
  readonly words: string
  readonly run: () => void
}

/** Goes anywhere and does what the page can do, by a few letters of its name. */
export function Palette({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) {
  const text = useText()
  const [typed, setTyped] = useState('')
  const [here] = useState(listButtons)
  const pages = usePages()
  const settings = useSettings(onHelp)
  const types = useQuery(typesQuery).data?.map(({ taskType }) => taskType) ?? []
  const choose = (run: () => void) => {
    // The focus is back where it was before anything else happens.
    flushSync(onClose)
    run()
  }
  const groups: [title: string, entries: readonly Entry[]][] = [
    [text.palette.here, here],
    [text.palette.pages, pages],
    [text.palette.types, types.map((type) => toEntry(visible(type), { view: 'types', type }))],
    [text.palette.settings, settings],
  ]
  const wanted = typed.trim().toLowerCase()
  return (
    <Dialog title={text.palette.title} onClose={onClose}>
      <Command label={text.palette.title} loop shouldFilter={false} className="palette">
        <Command.Input
          data-first
          value={typed}
          onValueChange={setTyped}
          placeholder={text.palette.placeholder}
        />
        <Command.List label={text.palette.title}>
          {groups.map(([title, entries]) => (
            <Group
              key={title}
              title={title}
              entries={entries.filter(({ words }) => words.toLowerCase().includes(wanted))}
              onChoose={choose}
            />
          ))}
          {wanted !== '' && (
            <Group
              title={text.palette.tasks}
              entries={toTasks(typed.trim(), types, text)}
              onChoose={choose}
            />
          )}
        </Command.List>
      </Command>
    </Dialog>
  )
}

function Group(props: { title: string; entries: readonly Entry[]; onChoose: (run: () => void) => void }) {
  const { title, entries, onChoose } = props
  if (entries.length === 0) return null
  return (
    <Command.Group heading={title}>
      {entries.map(({ key, words, run }) => (
        <Command.Item key={key} value={key} onSelect={() => onChoose(run)}>
          {words}
        </Command.Item>
      ))}
    </Command.Group>
  )
}

/** A task by its id, and all that match. */
function toTasks(typed: string, types: readonly string[], text: Dictionary): readonly Entry[] {
  const isId = /^task_\w{8,45}$/.test(typed)
  const words = visible(typed)
  const search = toEntry(text.palette.searchFor(words), {
    view: 'tasks',
    ...readTyped(typed.slice(0, 100), types),
  })
  return isId ? [toEntry(text.palette.openTask(words), { task: typed }), search] : [search]
}

function toEntry(words: string, to: Query): Entry {
  return { key: JSON.stringify(to), words, run: () => go(to) }
}

function usePages(): readonly Entry[] {
  const text = useText()
  const isReadOnly = useReadOnly()
  return [
    toEntry(text.overview.title, {}),
    toEntry(text.app.tasks, { view: 'tasks' }),
    toEntry(text.errors.title, { view: 'errors' }),
    toEntry(text.app.types, { view: 'types' }),
    toEntry(text.overview.executors, { view: 'executors' }),
    toEntry(text.app.schedules, { view: 'schedules' }),
    toEntry(text.app.activity, { view: 'activity' }),
    ...(isReadOnly ? [] : [toEntry(text.app.newTask, { view: 'new' })]),
  ]
}

function useSettings(onHelp: () => void): readonly Entry[] {
  const text = useText()
  const other = useStore(zone) === 'utc' ? 'local' : 'utc'
  const isChinese = useStore(language) === 'zh'
  return [
    { key: 'zone', words: text.app.showTimesIn(zoneName(other)), run: () => chooseZone(other) },
    {
      key: 'language',
      words: text.app.switchLanguage,
      run: () => chooseLanguage(isChinese ? 'en' : 'zh'),
    },
    ...THEMES.map((theme) => ({ key: theme, words: text.app.theme[theme], run: () => chooseTheme(theme) })),
    { key: 'help', words: text.shortcuts.title, run: onHelp },
  ]
}

/** What has a key on the page behind the palette. */
function listButtons(): readonly Entry[] {
  const buttons = [...document.querySelectorAll<HTMLElement>('[aria-keyshortcuts]')]
  return buttons
    .filter((button) => !button.matches(':disabled, [aria-disabled=true]'))
    .map((button, at) => ({
      key: `here ${at}`,
      words: (button.getAttribute('aria-label') ?? button.textContent ?? '').trim(),
      run: () => button.click(),
    }))
}
