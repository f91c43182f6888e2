import { styleText } from 'node:util'
import { MultiBar, type SingleBar } from 'cli-progress'
import type { TaskDetail } from '../contract/task.ts'

/** Shows how far tasks are. */
export interface ProgressView {
  /** Call it as often as you like. */
  show(task: TaskDetail): void
  /** Leaves the last state on the screen, and the terminal as it was. */
  close(): void
}

/** Bars that move in a terminal, plain lines anywhere else. */
export function createProgressView(taskTypes: readonly string[], output: NodeJS.WriteStream): ProgressView {
  const nameWidth = Math.max(...taskTypes.map((type) => type.length))
  return output.isTTY ? createBars(taskTypes, nameWidth, output) : createLines(nameWidth, output)
}

const MARKS = { pending: '·', running: '▸', completed: '✔', failed: '✘', cancelled: '✘' } as const
const COLOURS = {
  pending: 'dim',
  running: 'cyan',
  completed: 'green',
  failed: 'red',
  cancelled: 'red',
} as const

function createBars(
  taskTypes: readonly string[],
  nameWidth: number,
  output: NodeJS.WriteStream,
): ProgressView {
  const bars = new MultiBar({
    format: '{mark} {name}  {bar} {percentage} %  {counts}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 30,
    fps: 20,
    hideCursor: true,
    // The demo ends on signals by itself, and closes this.
    gracefulExit: false,
    formatValue: (value, _options, type) => (type === 'percentage' ? String(value).padStart(3) : `${value}`),
    stream: output,
  })
  const dim = (text: string) => styleText('dim', text, { stream: output })
  const named = new Map<string, SingleBar>(
    taskTypes.map((type) => {
      const texts = { mark: dim(MARKS.pending), name: type.padEnd(nameWidth), counts: '' }
      return [type, bars.create(100, 0, texts)]
    }),
  )
  return {
    show(task) {
      const mark = styleText(COLOURS[task.status], MARKS[task.status], { stream: output })
      named.get(task.taskType)?.update(task.percent, { mark, counts: dim(describeCounts(task)) })
    },
    close: () => bars.stop(),
  }
}

/** A line for every change of status, and for every quarter in between. */
function createLines(nameWidth: number, output: NodeJS.WriteStream): ProgressView {
  const shown = new Map<string, string>()
  return {
    show(task) {
      const { taskType, status, percent } = task
      const state = `${status} ${Math.floor(percent / 25)}`
      if (shown.get(taskType) === state) return
      shown.set(taskType, state)
      const figures = `${String(percent).padStart(3)} %  ${describeCounts(task)}`.trimEnd()
      output.write(`${taskType.padEnd(nameWidth)}  ${status.padEnd(9)}  ${figures}\n`)
    },
    close() {},
  }
}

function describeCounts({ status, progress, total, step }: TaskDetail): string {
  if (status === 'pending') return 'waiting'
  const counts = total === 0 ? '' : `${progress} of ${total}`
  return status === 'running' && step !== null ? `${counts} ${step}`.trim() : counts
}
