export const LANGUAGES = ['en', 'zh'] as const
export type Language = (typeof LANGUAGES)[number]

/** The time zone of the browser, or UTC. */
export const ZONES = ['local', 'utc'] as const
export type Zone = (typeof ZONES)[number]
