import { randomFillSync } from 'node:crypto'
import { V7Generator } from 'uuidv7'

/** Random words, drawn together: the generator's own source draws 8 at a time, which takes longer than the rest of an id. */
const words = new Uint32Array(1_024)
let used = words.length

function nextUint32(): number {
  if (used === words.length) {
    randomFillSync(words)
    used = 0
  }
  const word = words[used] as number
  used += 1
  return word
}

const generator = new V7Generator({ nextUint32 })

/** `task_` and a UUID of version 7 as 32 hexadecimal digits: ids of one process are in the order of their creation. */
export function newTaskId(): string {
  return `task_${generator.generate().toHex()}`
}
