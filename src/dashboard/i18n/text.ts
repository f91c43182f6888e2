import type { TasksApiError } from '../../client/index.ts'
import { language } from '../state/preferences.ts'
import { useStore } from '../state/store.ts'
import { type Dictionary, en } from './en.ts'
import type { Language } from './languages.ts'
import { translate } from './translate.ts'
import { zh } from './zh.ts'

const dictionaries: Record<Language, Dictionary> = { en, zh }

/** The words of the page in the language that was chosen. */
export function useText(): Dictionary {
  return dictionaries[useStore(language)]
}

/** The current words, for a message that is shown once. */
export function currentText(): Dictionary {
  return dictionaries[language.value]
}

export function describeError(error: TasksApiError, text: Dictionary): string {
  return translate(error.code, error.message, text)
}
