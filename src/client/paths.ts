export function taskPath(taskId: string): string {
  return `/tasks/${encodeURIComponent(taskId)}`
}

export function groupPath(groupId: string): string {
  return `/error-groups/${encodeURIComponent(groupId)}`
}

export function schedulePath(name: string): string {
  return `/schedules/${encodeURIComponent(name)}`
}
