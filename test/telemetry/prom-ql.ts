/** What a query of Prometheus reads, as far as it can be seen without its parser. */
export interface Query {
  readonly selectors: readonly Selector[]
  /** Labels after `by` and `on`. */
  readonly groups: readonly string[]
}

export interface Selector {
  readonly metric: string
  /** Compared labels and the values that they are compared with; none with a variable of Grafana. */
  readonly matchers: ReadonlyMap<string, readonly string[]>
}

const KEYWORDS = new Set([
  'and',
  'or',
  'unless',
  'on',
  'ignoring',
  'bool',
  'offset',
  'group_left',
  'group_right',
])

export function readQuery(text: string): Query {
  const groups: string[] = []
  const rest = text
    .replaceAll(/\[[^\]]*\]/g, '')
    .replaceAll(/\b(?:by|on)\s*\(([^)]*)\)/g, (_by, labels: string) => {
      groups.push(...labels.split(',').map((label) => label.trim()))
      return ''
    })
  const selectors = [...rest.matchAll(/(?<![\w.])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\}|\()?/g)].flatMap(
    ([, name = '', after = '']) =>
      after === '(' || KEYWORDS.has(name) ? [] : { metric: name, matchers: readMatchers(after) },
  )
  return { selectors, groups }
}

function readMatchers(text: string): Map<string, string[]> {
  const found = text.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g)
  return new Map(
    [...found].map(([, label = '', value = '']) => [label, value.includes('$') ? [] : value.split('|')]),
  )
}

/** The values of each label of each metric, in an answer in Prometheus' text format. */
export function readMetrics(text: string): Map<string, Map<string, Set<string>>> {
  const metrics = new Map<string, Map<string, Set<string>>>()
  for (const line of text.split('\n')) {
    const [, name, labels = ''] = /^([a-zA-Z_]\w*)(\{.*\})? /.exec(line) ?? []
    if (name === undefined) continue
    const known = metrics.get(name) ?? new Map<string, Set<string>>()
    metrics.set(name, known)
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="([^"]*)"/g)) {
      known.set(label, (known.get(label) ?? new Set()).add(value))
    }
  }
  return metrics
}
