import { createElement, type ReactElement, useEffect, useId, useRef, useState } from 'react'
import type { TaskSummary } from '../../contract/task.ts'
import { TimeLeft } from '../time-left.ts'

type ProgressTask = Pick<
  TaskSummary,
  'taskId' | 'taskType' | 'status' | 'progress' | 'total' | 'percent' | 'step' | 'startedAt'
>

export interface TaskProgressProps {
  task: ProgressTask
  /** What the bar is of, for those who do not see it. Default: the task's type. */
  label?: string
  /** Default `async-task-progress`; its parts are called so with `-step`, `-percent` and `-time-left` behind. */
  className?: string
  /** Words for the time left. Default: such as `2 min 5 s left`. */
  formatTimeLeft?: (seconds: number) => string
}

/**
 * A task's progress: the bar, what it is doing, how far it is and how long it will take. It brings no styles. Of a
 * running task whose total is not known, the bar is indeterminate.
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

/** Whole seconds until a running task will have ended, counting down; undefined while nobody can tell. */
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
