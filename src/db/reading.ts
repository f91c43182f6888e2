import type pg from 'pg'

/** Types of PostgreSQL whose text is not kept as it is, by their OIDs. An int8 stays text: a number may not hold it. */
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

/**
 * How the engine reads its own queries. Each query carries these parsers: those of `pg.types` belong to the host, which
 * may have replaced any of them.
 */
export const ENGINE_TYPES: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number) => READERS.get(oid) ?? asText) as pg.CustomTypesConfig['getTypeParser'],
}

/**
 * Selects an instant as a `Date`. As JSON it is ISO 8601, whatever DateStyle the session has; the text of a timestamptz
 * is not. The engine selects nothing else as jsonb.
 */
export const instant = (expression: string): string => `to_jsonb(${expression})`

function readInstant(json: string): Date {
  return parseInstant(JSON.parse(json) as string)
}

const [FIRST, LAST] = [Date.parse('0000-01-01T00:00:00.000Z'), Date.parse('9999-12-31T23:59:59.999Z')]

/**
 * An instant as PostgreSQL writes it into JSON. What no `Date` or RFC 3339 holds, such as infinity, becomes the last or
 * the first instant that they do.
 */
export function parseInstant(text: string): Date {
  const ms = Date.parse(text)
  const isEarly = text.startsWith('-') || text.endsWith('BC')
  return new Date(Number.isNaN(ms) ? (isEarly ? FIRST : LAST) : Math.min(Math.max(ms, FIRST), LAST))
}

/** Of one dimension. Elements are quoted where they hold anything but plain letters; an unquoted NULL is null. */
function readTextArray(text: string): (string | null)[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|([^{},]+)/gs)].map(([, quoted, plain]) => {
    if (quoted !== undefined) return quoted.replaceAll(/\\(.)/gs, '$1')
    return plain === undefined || plain === 'NULL' ? null : plain
  })
}
