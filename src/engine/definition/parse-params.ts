import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { z } from 'zod'
import type { FieldProblem } from './errors.ts'
import { isZodSchema, type ParamsSchema } from './params-schema.ts'
import { toPointer } from './pointer.ts'

const MAX_PROBLEMS = 100

export type ParsedParams =
  | { readonly params: Record<string, unknown> }
  | { readonly problems: readonly FieldProblem[] }

/** Awaits schemas that check with a promise. Rejects with what the schema throws. */
export function parseWith(schema: ParamsSchema, input: unknown): Promise<ParsedParams> {
  return isZodSchema(schema) ? parseWithZod(schema, input) : parseWithStandard(schema, input)
}

async function parseWithStandard(schema: ParamsSchema, input: unknown): Promise<ParsedParams> {
  const result = await schema['~standard'].validate(input)
  return result.issues ? { problems: problemsOf(result.issues) } : requireObject(result.value)
}

/** Not by `~standard`, which calls a schema that checks with a promise twice, and does not name unknown keys. */
async function parseWithZod(schema: z.ZodType, input: unknown): Promise<ParsedParams> {
  const parsed = await schema.safeParseAsync(input)
  if (parsed.success) return requireObject(parsed.data)
  const problems = parsed.error.issues.slice(0, MAX_PROBLEMS).flatMap((issue) =>
    // Points to the unknown key instead of its object.
    issue.code === 'unrecognized_keys'
      ? issue.keys.slice(0, MAX_PROBLEMS).map((key) => ({
          pointer: toPointer([...issue.path, key]),
          detail: 'is not a known parameter',
        }))
      : [{ pointer: toPointer(issue.path), detail: issue.message }],
  )
  return { problems: problems.slice(0, MAX_PROBLEMS) }
}

/** Whatever its type promises: a schema of anything lets a list pass. */
function requireObject(value: unknown): ParsedParams {
  if (isObject(value)) return { params: value }
  const detail = `must be an object: the schema made ${describeKind(value)} of them`
  return { problems: [{ pointer: '', detail }] }
}

function problemsOf(issues: readonly StandardSchemaV1.Issue[]): FieldProblem[] {
  const problems = issues.slice(0, MAX_PROBLEMS).map(({ path = [], message }) => ({
    pointer: toPointer(path.map((part) => (typeof part === 'object' ? part.key : part))),
    detail: message,
  }))
  return problems.length > 0 ? problems : [{ pointer: '', detail: 'are refused by their schema' }]
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function describeKind(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`
}
