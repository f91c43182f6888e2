import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * Pids are reused, so a pid from a file says nothing by itself: whoever wants to signal or to respect such a
 * process first checks when it started or what it runs. Linux is read from /proc, because slim images have no
 * `ps`; elsewhere `ps` is part of the system.
 */

/** When the process started, in whatever form the system tells it; undefined when there is no such process. */
export function processStart(pid: number): string | undefined {
  if (process.platform !== 'linux') return ps(pid, 'lstart=')
  const stat = readProc(pid, 'stat')
  // "pid (name) state …": the name may hold spaces and brackets, so count from its last bracket.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields === undefined || fields[0] === 'Z') return undefined
  // Counted from the boot, which may well repeat itself: hence which boot.
  return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19]}`
}

/** The arguments of the process, separated by spaces; undefined when there is no such process. */
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
    // ps ends with 1 when no process matches.
    return undefined
  }
}
