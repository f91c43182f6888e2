import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useRef, useState } from 'react'
import type { LogLevel, TaskLogLine } from '../../../client/index.ts'
import { every } from '../../state/queries.ts'
import { attempt } from '../../state/toasts.ts'
import {
  countLines,
  END_SIZE,
  findLineAt,
  MAX_LINES,
  mergeLines,
  PAGE_SIZE,
  readAfter,
  readBefore,
  readEnd,
} from './lines.ts'

/** Lines join by the stream; how many there are in all is counted anew this often. */
const COUNT_MS = 3_000

/** A part of a log without gaps. */
interface Part {
  readonly lines: readonly TaskLogLine[]
  readonly hasOlder: boolean
  /** Lines follow that are not here; those that join now come after them. */
  readonly hasNewer: boolean
}

export interface LogWindow extends Part {
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
  /** The newest lines when the page was opened; undefined: not read yet. */
  readonly end: readonly TaskLogLine[] | undefined
  /** Lines that have joined since. */
  readonly fresh: readonly TaskLogLine[]
  readonly canGrow: boolean
  /** The line that is shown first; undefined: the newest. */
  readonly startAt: number | undefined
}

/** Some of a log of any length: it moves along, and never holds more than `MAX_LINES`. */
export function useLogWindow({ taskId, level, end, fresh, canGrow, startAt }: Wanted): LogWindow {
  const key = `${taskId} ${level}`
  const [part, setPart] = useState<Part & { readonly key: string }>()
  const opened = useMemo(() => end && endOf(end), [end])
  const [opensAtEnd] = useState(startAt === undefined)
  const isOpened = opensAtEnd && level === ''
  const current = part?.key === key ? part : isOpened ? opened : undefined
  const latest = useRef(key)
  latest.current = key
  const isBusy = useRef(false)
  const show = (next: Part) => {
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
    if (isOpened) return
    void attempt(() => goTo(first.current))
    first.current = undefined
  }, [key])

  const lines = useJoined(current, fresh, level)
  const hasOlder = current !== undefined && (current.hasOlder || lines[0]?.id !== current.lines[0]?.id)
  const hasNewer = current?.hasNewer ?? false
  const counted = useCount(taskId, level, lines, { isWanted: hasOlder || hasNewer, canGrow })
  return {
    lines,
    total: counted ?? lines.length,
    isLoading: current === undefined,
    hasOlder,
    hasNewer,
    loadOlder: () => read(async () => show(await withOlder(taskId, level, { lines, hasOlder, hasNewer }))),
    loadNewer: () => read(async () => show(await withNewer(taskId, level, { lines, hasOlder, hasNewer }))),
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
async function readAround(taskId: string, level: LogLevel | '', lineId: number | undefined): Promise<Part> {
  if (lineId === undefined) return endOf(await readEnd(taskId, level))
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

async function withOlder(taskId: string, level: LogLevel | '', part: Part): Promise<Part> {
  const [oldest] = part.lines
  if (!oldest) return part
  const before = await readBefore(taskId, level, oldest.id)
  const all = mergeLines(before, part.lines)
  const hasNewer = part.hasNewer || all.length > MAX_LINES
  return { lines: all.slice(0, MAX_LINES), hasOlder: before.length === PAGE_SIZE, hasNewer }
}

async function withNewer(taskId: string, level: LogLevel | '', part: Part): Promise<Part> {
  const after = await readAfter(taskId, level, part.lines.at(-1)?.id ?? 0)
  const all = mergeLines(part.lines, after)
  const hasOlder = part.hasOlder || all.length > MAX_LINES
  return { lines: all.slice(-MAX_LINES), hasOlder, hasNewer: after.length === PAGE_SIZE }
}

function endOf(lines: readonly TaskLogLine[]): Part {
  return { lines, hasOlder: lines.length === END_SIZE, hasNewer: false }
}

/** The part with the lines that have joined since. */
function useJoined(current: Part | undefined, fresh: readonly TaskLogLine[], level: LogLevel | '') {
  return useMemo(() => {
    if (!current) return []
    const joined = current.hasNewer ? [] : fresh.filter((line) => level === '' || line.level === level)
    return mergeLines(current.lines, joined).slice(-MAX_LINES)
  }, [current, fresh, level])
}

/** How many lines there are in all; undefined where nobody asks, or for as long as they are counted. */
function useCount(
  taskId: string,
  level: LogLevel | '',
  lines: readonly TaskLogLine[],
  { isWanted, canGrow }: { isWanted: boolean; canGrow: boolean },
): number | undefined {
  const { data } = useQuery({
    queryKey: ['lines', taskId, level, canGrow],
    queryFn: ({ signal }) => countLines(taskId, level, signal),
    refetchInterval: canGrow && every(COUNT_MS),
    placeholderData: keepPreviousData,
    enabled: isWanted,
  })
  if (!isWanted || !data) return undefined
  return Math.max(data.total + lines.filter(({ id }) => id > data.lastId).length, lines.length)
}
