import { type RefObject, useEffect, useRef, useState } from 'react'
import type { Problems } from './draft.ts'

/** Why a form was not accepted: what is wrong with params, with its other fields, and the message about the whole. */
export interface Refusal {
  readonly message?: string
  readonly params: Problems
  readonly others: Problems
}

const NONE: Refusal = { params: {}, others: {} }

/** A control that holds something which the browser keeps for itself, such as half a date: it would be sent as nothing. */
export function findUnreadable(form: HTMLFormElement | null): HTMLElement | undefined {
  return [...(form?.querySelectorAll('input') ?? [])].find(({ validity }) => validity.badInput)
}

/** What is wrong with a form, which the keyboard is then brought to: the first field that is marked. */
export function useRefusal(): {
  form: RefObject<HTMLFormElement | null>
  refusal: Refusal
  refuse: (refusal: Refusal) => void
} {
  const form = useRef<HTMLFormElement>(null)
  const [refusal, refuse] = useState(NONE)
  useEffect(() => {
    if (refusal === NONE || !form.current) return
    const marked = findUnreadable(form.current) ?? form.current.querySelector<HTMLElement>('[aria-invalid]')
    marked?.focus()
  }, [refusal])
  return { form, refusal, refuse }
}
