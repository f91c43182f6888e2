import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * Identifies processes beyond their pids, which are reused: by start time and command. Reads /proc on Linux, where slim
 * images lack `ps`, and runs `ps` elsewhere.
 */

/** In the system's own format; undefined: no such process. */
export function processStart(pid: number): string | undefined {
  if (process.platform !== 'linux') return ps(pid, 'lstart=')
  const stat = readProc(pid, 'stat')
  // "pid (name) state …": the name may contain spaces and brackets.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields === undefined || fields[0] === 'Z') return undefined
  // Ticks since the boot, so the boot's id belongs to it.
  return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19]}`
}

/** Separated by spaces; undefined: no such process. */
export function processCommand(pid: number): string | undefined {
  if (process.platform !== 'linux') return ps(pid, 'command=')
  return readProc(pid, 'cmdline')?.replaceAll('\0', ' ').trim()
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    // ENOENT or ESRCH: it has ended.
    return undefined
  }
}

function ps(pid: number, column: string): string | undefined {
  try {
    const output = execFileSync('ps', ['-o', column, '-p', String(pid)], {
      encoding: 'utf8',
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return output.trim() || undefined
  } catch {
    // ps exits with 1 if no process matches.
    return undefined
  }
}
