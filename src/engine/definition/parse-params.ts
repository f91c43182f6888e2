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
export async function parseWith(schema: ParamsSchema, input: unknown): Promise<ParsedParams> {
  const parsed = await (isZodSchema(schema) ? parseWithZod(schema, input) : parseWithStandard(schema, input))
  if ('problems' in parsed) return parsed
  // Whatever its type promises: a schema of anything lets a list pass.
  if (isObject(parsed.value)) return { params: parsed.value }
  const detail = `must be an object: the schema made ${describeKind(parsed.value)} of them`
  return { problems: [{ pointer: '', detail }] }
}

type Parsed = { readonly value: unknown } | { readonly problems: readonly FieldProblem[] }

async function parseWithStandard(schema: ParamsSchema, input: unknown): Promise<Parsed> {
  const result = await schema['~standard'].validate(input)
  return result.issues ? { problems: problemsOf(result.issues) } : { value: result.value }
}

/** Not by `~standard`, which calls a schema that checks with a promise twice, and does not name unknown keys. */
async function parseWithZod(schema: z.ZodType, input: unknown): Promise<Parsed> {
  const parsed = await schema.safeParseAsync(input)
  if (parsed.success) return { value: parsed.data }
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
