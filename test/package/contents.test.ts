import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { expect, inject, test } from 'vitest'
import { root, run } from './pack.ts'

const packed = inject('packed')
const { tarball, names } = packed ?? { tarball: '', names: [] }
const bin = (name: string) => path.join(root, 'node_modules/.bin', name)

test('publint finds nothing in it', async () => {
  const { stdout } = await run(bin('publint'), ['--strict', tarball])
  expect(stdout).toContain('All good!')
})

test('its types are right for modules of ES, which it is alone', async () => {
  // Ends with 1 if it finds a problem.
  await run(bin('attw'), ['--profile', 'esm-only', tarball])
})

test('it is as small, and needs as few packages, as the README says', async () => {
  const readme = readFileSync(path.join(root, 'README.md'), 'utf8').replace(/\s+/g, ' ')
  const [, megabytes, files, direct] =
    /below (\d\.\d) MB, in (\d+) files, and has (\w+) dependencies/.exec(readme) ?? []
  expect(statSync(tarball).size).toBeLessThan(Number(megabytes) * 1_000_000)
  expect(names.length).toBeLessThanOrEqual(Number(files))
  const { stdout } = await run('tar', ['-xzOf', tarball, 'package/package.json'])
  const words = ['seven', 'eight', 'nine', 'ten']
  expect(words[Object.keys(JSON.parse(stdout).dependencies).length - 7]).toBe(direct)
  const chinese = readFileSync(path.join(root, 'README.zh-CN.md'), 'utf8')
  expect(chinese).toContain(`小于 ${megabytes} MB，共 ${files} 个文件`)
})
