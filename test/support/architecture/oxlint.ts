import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { ROOT } from './source-file.ts'

interface Diagnostic {
  message: string
  filename: string
  labels: { span: { line: number } }[]
}

/** What these rules alone find in a folder, as `file:line: message`. */
export function lintWith(plugins: readonly string[], rules: Record<string, unknown>, cwd = ROOT): string[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'architecture-'))
  try {
    const config = path.join(folder, 'oxlintrc.json')
    writeFileSync(config, JSON.stringify({ plugins, categories: { correctness: 'off' }, rules }))
    const oxlint = path.join(ROOT, 'node_modules/oxlint/bin/oxlint')
    const args = [oxlint, '--config', config, '--disable-nested-config', '--format', 'json', 'src']
    const { stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' })
    if (!stdout.startsWith('{')) throw new Error(`oxlint said: ${stdout}${stderr}`)
    const { diagnostics, number_of_files: files } = JSON.parse(stdout) as {
      diagnostics: Diagnostic[]
      number_of_files: number
    }
    if (files === 0) throw new Error('oxlint saw no file')
    return diagnostics.map(
      ({ filename, labels, message }) => `${filename}:${labels[0]?.span.line ?? 1}: ${message}`,
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
