import { createContext, createElement, type ReactElement, type ReactNode, useContext } from 'react'
import type { AnyTasksClient, TasksClient } from '../client.ts'

const TasksClientContext = createContext<TasksClient | undefined>(undefined)

/** Provides the client to the hooks below it. Create the client once, outside of components. */
export function TasksClientProvider(props: { client: AnyTasksClient; children?: ReactNode }): ReactElement {
  return createElement(TasksClientContext.Provider, { value: props.client }, props.children)
}

/** The client of the nearest provider. @throws Error if there is no provider above */
export function useTasksClient(): TasksClient {
  const client = useContext(TasksClientContext)
  if (!client) throw new Error('there is no <TasksClientProvider client={…}> above this component')
  return client
}
