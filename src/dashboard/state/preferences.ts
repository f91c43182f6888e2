import { LANGUAGES, type Language, ZONES, type Zone } from '../i18n/languages.ts'
import { Store, useStore } from './store.ts'

export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

function recall<T extends string>(key: string, known: readonly T[], fallback: T): T {
  const kept = localStorage.getItem(key)
  return known.find((one) => one === kept) ?? fallback
}

const browsersLanguage: Language = navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en'

const recallLanguage = () => recall('tasks.language', LANGUAGES, browsersLanguage)
const recallTheme = () => recall('tasks.theme', THEMES, 'system')
const recallZone = () => recall('tasks.zone', ZONES, 'local')

export const language = new Store<Language>(recallLanguage())
export const theme = new Store<Theme>(recallTheme())
export const zone = new Store<Zone>(recallZone())

// Another window has chosen.
window.addEventListener('storage', () => {
  language.set(recallLanguage())
  theme.set(recallTheme())
  zone.set(recallZone())
})

function applyLanguage(): void {
  document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en'
}

/** The style sheet follows the system by itself; an attribute overrules it. */
function applyTheme(): void {
  if (theme.value === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme.value
}

applyLanguage()
applyTheme()
language.subscribe(applyLanguage)
theme.subscribe(applyTheme)

export function chooseLanguage(chosen: Language): void {
  localStorage.setItem('tasks.language', chosen)
  language.set(chosen)
}

export function chooseTheme(chosen: Theme): void {
  localStorage.setItem('tasks.theme', chosen)
  theme.set(chosen)
}

export function chooseZone(chosen: Zone): void {
  localStorage.setItem('tasks.zone', chosen)
  zone.set(chosen)
}

const system = matchMedia('(prefers-color-scheme: dark)')
const systemIsDark = new Store(system.matches)
system.addEventListener('change', () => systemIsDark.set(system.matches))

/** Whether the page is dark, for what takes no colours from the style sheet. */
export function useDark(): boolean {
  const chosen = useStore(theme)
  const isSystemDark = useStore(systemIsDark)
  return chosen === 'system' ? isSystemDark : chosen === 'dark'
}
