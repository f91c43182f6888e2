import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useRef, useState } from 'react'
import type { LogLevel, TaskLogLine } from '../../../client/index.ts'
import { every } from '../../state/queries.ts'
import { attempt } from '../../state/toasts.ts'
import { countLines, findLineAt, MAX_LINES, mergeLines, PAGE_SIZE, readAfter, readBefore } from './lines.ts'

/** Lines join by the stream; how many there are in all is counted anew this often. */
const COUNT_MS = 3_000

/** A part of a log without gaps. */
interface Part {
  readonly key: string
  readonly lines: readonly TaskLogLine[]
  readonly hasOlder: boolean
  /** Lines follow that are not here; those that join now come after them. */
  readonly hasNewer: boolean
}

export interface LogWindow extends Omit<Part, 'key'> {
  readonly total: number
  readonly isLoading: boolean
  readonly loadOlder: () => Promise<void>
  readonly loadNewer: () => Promise<void>
  /** Shows a line with those around it; undefined: the end of the log. */
  readonly goTo: (lineId: number | undefined) => Promise<void>
  readonly goToStart: () => Promise<void>
  /** Resolves to the line to show; undefined: none was written since. */
  readonly goToTime: (since: Date) => Promise<number | undefined>
}

interface Wanted {
  readonly taskId: string
  readonly level: LogLevel | ''
  /** Lines that have joined since the page looks. */
  readonly fresh: readonly TaskLogLine[]
  readonly canGrow: boolean
  /** The line that is shown first; undefined: the newest. */
  readonly startAt: number | undefined
}

/** Some of a log of any length: it moves along, and never holds more than `MAX_LINES`. */
export function useLogWindow({ taskId, level, fresh, canGrow, startAt }: Wanted): LogWindow {
  const key = `${taskId} ${level}`
  const [part, setPart] = useState<Part>()
  const current = part?.key === key ? part : undefined
  const latest = useRef(key)
  latest.current = key
  const isBusy = useRef(false)
  const show = (next: Omit<Part, 'key'>) => {
    if (latest.current === key) setPart({ key, ...next })
  }
  /** One reading after the other: each begins where the one before has ended. */
  const read = async (work: () => Promise<void>) => {
    if (isBusy.current) return
    isBusy.current = true
    await attempt(work)
    isBusy.current = false
  }
  const goTo = async (lineId: number | undefined) => show(await readAround(taskId, level, lineId))
  const first = useRef(startAt)
  // biome-ignore lint/correctness/useExhaustiveDependencies: another log, or other lines of it
  useEffect(() => {
    void attempt(() => goTo(first.current))
    first.current = undefined
  }, [key])

  const lines = useJoined(current, fresh, level)
  const total = useTotal(taskId, level, lines, canGrow)
  return {
    lines,
    total,
    isLoading: current === undefined,
    hasOlder: current !== undefined && (current.hasOlder || lines[0]?.id !== current.lines[0]?.id),
    hasNewer: current?.hasNewer ?? false,
    loadOlder: () =>
      read(async () => {
        const before = await readBefore(taskId, level, lines[0]?.id)
        const all = mergeLines(before, lines)
        const isCut = all.length > MAX_LINES
        const hasOlder = before.length === PAGE_SIZE
        show({ lines: all.slice(0, MAX_LINES), hasOlder, hasNewer: isCut || (current?.hasNewer ?? false) })
      }),
    loadNewer: () =>
      read(async () => {
        const after = await readAfter(taskId, level, lines.at(-1)?.id ?? 0)
        const all = mergeLines(lines, after)
        const hasOlder = (current?.hasOlder ?? false) || all.length > MAX_LINES
        show({ lines: all.slice(-MAX_LINES), hasOlder, hasNewer: after.length === PAGE_SIZE })
      }),
    goTo: (lineId) => read(() => goTo(lineId)),
    goToStart: () => read(() => goTo(0)),
    goToTime: async (since) => {
      const found = await attempt(async () => ({ id: await findLineAt(taskId, level, since) }))
      if (found?.id !== undefined) await read(() => goTo(found.id))
      return found?.id
    },
  }
}

/** A line with those around it; undefined: the end of the log. */
async function readAround(
  taskId: string,
  level: LogLevel | '',
  lineId: number | undefined,
): Promise<Omit<Part, 'key'>> {
  if (lineId === undefined) {
    const lines = await readBefore(taskId, level, undefined)
    return { lines, hasOlder: lines.length === PAGE_SIZE, hasNewer: false }
  }
  const [before, after] = await Promise.all([
    lineId === 0 ? [] : readBefore(taskId, level, lineId),
    readAfter(taskId, level, Math.max(0, lineId - 1)),
  ])
  return {
    lines: mergeLines(before, after),
    hasOlder: before.length === PAGE_SIZE,
    hasNewer: after.length === PAGE_SIZE,
  }
}

/** The part with the lines that have joined since. */
function useJoined(current: Part | undefined, fresh: readonly TaskLogLine[], level: LogLevel | '') {
  return useMemo(() => {
    if (!current) return []
    const joined = current.hasNewer ? [] : fresh.filter((line) => level === '' || line.level === level)
    return mergeLines(current.lines, joined).slice(-MAX_LINES)
  }, [current, fresh, level])
}

function useTotal(
  taskId: string,
  level: LogLevel | '',
  lines: readonly TaskLogLine[],
  canGrow: boolean,
): number {
  const count = useQuery({
    queryKey: ['lines', taskId, level, canGrow],
    queryFn: ({ signal }) => countLines(taskId, level, signal),
    refetchInterval: canGrow && every(COUNT_MS),
    placeholderData: keepPreviousData,
  })
  const { total: counted, lastId } = count.data ?? { total: 0, lastId: Number.POSITIVE_INFINITY }
  return Math.max(counted + lines.filter(({ id }) => id > lastId).length, lines.length)
}
