import { Writable } from 'node:stream'
import { pino } from 'pino'
import pretty from 'pino-pretty'
import { expect, test } from 'vitest'
import { formatForTerminal } from '../../src/telemetry/terminal.ts'

/** What a terminal shows of a message, without the time. */
function shown(message: string): string {
  let text = ''
  const destination = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk)
      done()
    },
  })
  const stream = pretty({
    sync: true,
    colorize: false,
    destination,
    messageFormat: (line, key) => formatForTerminal(line[key]),
  })
  pino({ level: 'info' }, stream).info(message)
  return text.replace(/^\[[\d:.]+\] INFO \(\d+\): /, '')
}

test.each([
  ['plain', 'plain\n'],
  ['两行 é', '两行 é\n'],
  ['a\nb', 'a\n    b\n'],
  ['a\r\n[12:00:00.000] INFO: forged', 'a\n    [12:00:00.000] INFO: forged\n'],
  ['a\rforged', 'a\n    forged\n'],
  ['a\u2028forged\u2029x', 'a\n    forged\n    x\n'],
  ['\u001b[2K\u001b[1Gforged', ' [2K [1Gforged\n'],
  ['\u009b2Kback\b\b\u0007\u0000', ' 2Kback    \n'],
  ['a\ttab', 'a\ttab\n'],
])('%j fills one line, or lines that are indented', (message, text) => {
  expect(shown(message)).toBe(text)
})
