import { keepPreviousData, QueryCache, QueryClient, queryOptions } from '@tanstack/react-query'
import { type OverviewRange, TasksApiError } from '../../client/index.ts'
import { client } from '../client.ts'
import { HAS_LOGIN } from '../settings.ts'
import { noteCaller, session } from './session.ts'

declare module '@tanstack/react-query' {
  interface Register {
    defaultError: TasksApiError
  }
}

const FIRST_RETRY_MS = 1_000
const MAX_RETRY_MS = 15_000

/** What was read, for as long as one person is logged in. Read again while it is shown. */
export const queryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error: unknown) => {
      if (!(error instanceof TasksApiError)) reportError(error)
    },
  }),
  defaultOptions: {
    queries: {
      // A browser that believes to be offline may reach a server on its own machine.
      networkMode: 'always',
      // What the server refuses, it refuses again; what it could not do, it may do soon.
      retry: (_failures, error) => error.isTransient,
      retryDelay: (failures) => Math.min(FIRST_RETRY_MS * 2 ** failures, MAX_RETRY_MS),
      // Responses hold dates, which it takes for changed.
      structuralSharing: false,
    },
  },
})

// What one person has seen is not shown to another.
session.subscribe(() => {
  if (!session.value) queryClient.clear()
})

/** Reads again so often, but not what the server has refused. */
export function every(ms: number) {
  return ({ state }: { state: { status: string } }): number | false => (state.status === 'error' ? false : ms)
}

/** Reads at once what could not be read yet; `isRefused`: what the server has refused, too. */
export function retryNow(isRefused: boolean): void {
  const failed = queryClient.getQueryCache().findAll({
    type: 'active',
    predicate: ({ state: { status, fetchFailureCount } }) =>
      status === 'error' ? isRefused : status === 'pending' && fetchFailureCount > 0,
  })
  for (const query of failed) {
    query.reset()
    // What fails again is in the state of the query.
    query.fetch().catch(() => {})
  }
}

/** Begins the key of what any change of a task may change. */
export const LIVE = 'live'

export const statsQuery = queryOptions({
  queryKey: [LIVE, 'stats'],
  queryFn: ({ signal }) => client.getStats({ signal }),
  refetchInterval: every(10_000),
})

export const executorsQuery = queryOptions({
  queryKey: [LIVE, 'executors'],
  queryFn: ({ signal }) => client.listExecutors({ signal }),
  refetchInterval: every(3_000),
})

export const healthQuery = queryOptions({
  queryKey: ['health'],
  queryFn: ({ signal }) => client.getHealth({ signal }),
  refetchInterval: every(5_000),
})

export const typesQuery = queryOptions({
  queryKey: ['types'],
  queryFn: ({ signal }) => client.listTaskTypes({ signal }),
  refetchInterval: every(30_000),
})

export const schedulesQuery = queryOptions({
  queryKey: ['schedules'],
  queryFn: ({ signal }) => client.listSchedules({ signal }),
  refetchInterval: every(5_000),
})

/** The user who is logged in on this page; unused where the host logs people in. */
export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => client.me({ signal }),
  enabled: HAS_LOGIN,
})

/** What the caller may do. Every row asks. */
export const callerQuery = queryOptions({
  queryKey: ['caller'],
  queryFn: async ({ signal }) => {
    const caller = await client.getCaller({ signal })
    noteCaller(caller.id)
    return caller
  },
  staleTime: 10_000,
})

/** The figures of all types or of one. */
export const overviewQuery = (range: OverviewRange, taskType: string | undefined) =>
  queryOptions({
    queryKey: ['overview', range, taskType],
    queryFn: ({ signal }) => client.getOverview({ range, taskType }, { signal }),
    refetchInterval: every(10_000),
    placeholderData: keepPreviousData,
  })
