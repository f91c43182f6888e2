import type pg from 'pg'

/** Parsers by the OIDs of types; other types stay text. So does int8, which may exceed a number. */
const READERS: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [16, (text) => text === 't'],
  [21, Number],
  [23, Number],
  [700, Number],
  [701, Number],
  [114, (text) => JSON.parse(text)],
  [1007, (text) => readTextArray(text).map(Number)],
  // Arrays of text, varchar and int8.
  [1009, readTextArray],
  [1015, readTextArray],
  [1016, readTextArray],
  [3802, readInstant],
])

const asText = (text: string) => text

/** Each query carries these parsers: those of `pg.types` belong to the host, which may replace them. */
export const ENGINE_TYPES: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number) => READERS.get(oid) ?? asText) as pg.CustomTypesConfig['getTypeParser'],
}

/**
 * Selects an instant as a `Date`. Its JSON is ISO 8601 under any DateStyle, its text is not. The engine selects nothing
 * else as jsonb.
 */
export const instant = (expression: string): string => `to_jsonb(${expression})`

/** Seconds from one instant to another. Before version 17, PostgreSQL refuses to subtract an infinite instant. */
export const secondsBetween = (from: string, to: string): string =>
  `(extract(epoch from ${to}) - extract(epoch from ${from}))::float8`

function readInstant(json: string): Date {
  return parseInstant(JSON.parse(json) as string)
}

const [FIRST, LAST] = [Date.parse('0000-01-01T00:00:00.000Z'), Date.parse('9999-12-31T23:59:59.999Z')]

/** Clamps an instant that no `Date` or RFC 3339 holds, such as infinity. */
export function parseInstant(text: string): Date {
  const ms = Date.parse(text)
  const isEarly = text.startsWith('-') || text.endsWith('BC')
  return new Date(Number.isNaN(ms) ? (isEarly ? FIRST : LAST) : Math.min(Math.max(ms, FIRST), LAST))
}

/** One dimension. An unquoted NULL is null. */
function readTextArray(text: string): (string | null)[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|([^{},]+)/gs)].map(([, quoted, plain]) => {
    if (quoted !== undefined) return quoted.replaceAll(/\\(.)/gs, '$1')
    return plain === undefined || plain === 'NULL' ? null : plain
  })
}
