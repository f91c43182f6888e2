import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { acquireServerLock } from '../../src/db/server-lock.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'server-lock-'))
  file = path.join(folder, 'server.pid')
})
afterEach(() => rmSync(folder, { recursive: true }))

test('a second server is refused with the pid of the first, until that one releases the folder', () => {
  const lock = acquireServerLock(folder)
  expect(() => acquireServerLock(folder)).toThrow(
    expect.objectContaining({
      name: 'ServerRunningError',
      pid: process.pid,
      message: expect.stringContaining(String(process.pid)),
    }),
  )
  lock.release()
  expect(readdirSync(folder)).toEqual([])
  acquireServerLock(folder).release()
})

test('the folder is made when it is absent', () => {
  const inner = path.join(folder, 'a/b')
  acquireServerLock(inner).release()
  expect(existsSync(inner)).toBe(true)
})

test.each([
  ['of a process that has ended', () => `${spawnSync('true').pid}\n12345\n`],
  ['whose pid now belongs to a process that started at another time', () => `${process.pid}\n12345\n`],
  ['without content', () => ''],
  ['with something else in it', () => 'hello'],
])('a lock %s is taken over', (_case, content) => {
  writeFileSync(file, content())
  const lock = acquireServerLock(folder)
  expect(readFileSync(file, 'utf8').split('\n')[0]).toBe(String(process.pid))
  lock.release()
  expect(readdirSync(folder)).toEqual([])
})

test('a lock that another process took over is not released', () => {
  const lock = acquireServerLock(folder)
  writeFileSync(file, 'theirs')
  lock.release()
  expect(readFileSync(file, 'utf8')).toBe('theirs')
})
