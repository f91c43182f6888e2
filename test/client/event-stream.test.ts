import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EventStreamParser } from '../../src/client/event-stream.ts'

const parse = (...chunks: string[]) => {
  const parser = new EventStreamParser()
  return chunks.flatMap((chunk) => parser.push(chunk))
}

test.each([
  ['a message of one line', 'data: a\n\n', [{ event: 'message', data: 'a', id: undefined }]],
  ['an event with its id', 'event: log\nid: 7\ndata: {}\n\n', [{ event: 'log', data: '{}', id: '7' }]],
  ['an id that stays', 'id: 7\ndata: a\n\ndata: b\n\n', [{ id: '7' }, { data: 'b', id: '7' }]],
  ['data of several lines', 'data: a\ndata:b\ndata\n\n', [{ data: 'a\nb\n' }]],
  [
    'all kinds of line ends',
    'data: a\r\n\r\ndata: b\r\rdata: c\n\n',
    [{ data: 'a' }, { data: 'b' }, { data: 'c' }],
  ],
  ['comments and fields it does not know', ': hello\nretries: 3\ndata: a\n\n:\n\n', [{ data: 'a' }]],
  ['a byte order mark', '\uFEFFdata: a\n\n', [{ data: 'a' }]],
  ['events without data', 'event: log\n\nid: 3\n\n', []],
  ['an unfinished event', 'data: a\n', []],
])('it reads %s', (_what, text, messages) => {
  const found = parse(text)
  expect(found).toMatchObject(messages)
  expect(found).toHaveLength(messages.length)
})

test('it reads the same, wherever chunks end', () => {
  const piece = fc.constantFrom(
    'data: x',
    'data:',
    'event: log',
    'id: 1',
    ': c',
    '\n',
    '\r\n',
    '\r',
    '\n\n',
    'é😀',
  )
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 30 }),
      fc.array(fc.nat(60), { maxLength: 8 }),
      (pieces, cuts) => {
        const text = pieces.join('')
        const places = [
          0,
          ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b),
          text.length,
        ]
        const chunks = places.slice(1).map((end, i) => text.slice(places[i], end))
        expect(parse(...chunks, '\n')).toEqual(parse(text, '\n'))
      },
    ),
  )
})

test('it keeps how long the server asks to wait', () => {
  const parser = new EventStreamParser()
  parser.push('retry: 1500\n\nretry: soon\n\n')
  expect(parser.retryMs).toBe(1_500)
})
