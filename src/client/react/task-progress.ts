import { createElement, type ReactElement, useEffect, useId, useRef, useState } from 'react'
import type { TaskSummary } from '../../contract/task.ts'
import { TimeLeft } from '../time-left.ts'

type ProgressTask = Pick<
  TaskSummary,
  'taskId' | 'taskType' | 'status' | 'progress' | 'total' | 'percent' | 'step' | 'startedAt'
>

/** Props of `TaskProgress`. */
export interface TaskProgressProps {
  /** The task to show, as lists, details and hooks return it. */
  task: ProgressTask
  /** Label of the bar for screen readers. Default: the task's type. */
  label?: string
  /** Class of the element, and prefix of its parts `-step`, `-percent` and `-time-left`. Default `async-task-progress`. */
  className?: string
  /** Formats the time left. Default: for example `2 min 5 s left`. */
  formatTimeLeft?: (seconds: number) => string
}

/**
 * Shows a task's progress as a bar with step, percent and time left, without styles. The bar is indeterminate while a
 * running task has no total.
 */
export function TaskProgress(props: TaskProgressProps): ReactElement {
  const { task, label = task.taskType, className = 'async-task-progress' } = props
  const { formatTimeLeft = formatLeft } = props
  const { status, percent, step, total } = task
  const stepId = useId()
  const timeLeft = useTimeLeft(task)
  const isUnknown = status === 'running' && total === 0
  const part = (name: string, text: string | undefined, id?: string) =>
    text === undefined ? null : createElement('span', { className: `${className}-${name}`, id }, text)
  return createElement(
    'div',
    { className, 'data-status': status },
    createElement(
      'progress',
      {
        max: 100,
        'aria-label': label,
        ...(isUnknown ? {} : { value: percent }),
        ...(step === null ? {} : { 'aria-describedby': stepId }),
      },
      isUnknown ? null : `${percent} %`,
    ),
    part('step', step ?? undefined, stepId),
    part('percent', isUnknown ? undefined : `${percent} %`),
    part('time-left', timeLeft === undefined ? undefined : formatTimeLeft(timeLeft)),
  )
}

/** Estimated whole seconds until a running task ends, counting down; undefined while there is no estimate. */
export function useTimeLeft(task: ProgressTask | undefined): number | undefined {
  const guesses = useRef(new TimeLeft())
  const [seconds, setSeconds] = useState<number>()
  useEffect(() => {
    if (!task) return setSeconds(undefined)
    const guess = () => {
      const left = guesses.current.guess(task, performance.now())
      setSeconds(left === undefined ? undefined : Math.ceil(left))
    }
    guess()
    if (task.status !== 'running') return
    const timer = setInterval(guess, 1_000)
    return () => clearInterval(timer)
  }, [task])
  return seconds
}

function formatLeft(seconds: number): string {
  if (seconds < 60) return `${seconds} s left`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s left`
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min left`
}
