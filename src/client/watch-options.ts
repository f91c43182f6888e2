import type { WatchAllOptions } from './follow.ts'
import type { WatchOptions } from './watch.ts'
import type { WatchTasksOptions } from './watch-all.ts'

export const WATCH_ALL_OPTIONS: (keyof WatchAllOptions)[] = ['signal', 'pollIntervalMs', 'onConnection']
export const WATCH_TASKS_OPTIONS: (keyof WatchTasksOptions)[] = [...WATCH_ALL_OPTIONS, 'createdBy']
export const WATCH_OPTIONS: (keyof WatchOptions)[] = [...WATCH_ALL_OPTIONS, 'afterId', 'logs']
