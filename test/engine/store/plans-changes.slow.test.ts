import { describe, expect, test } from 'vitest'
import { findTypesToPrune, PRUNE_START, pruneStep } from '../../../src/engine/store/prune.ts'
import { captureAllStatements, captureStatements } from '../../support/plans.ts'
import { rememberTypes } from '../../support/remember-types.ts'
import { inStatus } from '../../support/task-rows.ts'
import { indexesOf, KINDS, scansOfTasks, useHistory } from './history-plans.ts'

const { tables, explainOne } = useHistory()

describe('over 100,000 finished tasks', () => {
  test('a bulk action finds what it may change, rare or not, without a walk through the history', async () => {
    const { manager } = tables.createManager()
    for (const action of ['cancel', 'retry', 'delete'] as const) {
      const statements = await captureStatements(tables.pool, () =>
        manager.bulk({ action, filter: {}, dryRun: true }),
      )
      // What becomes of a thousand ids is another matter: before PostgreSQL 18 a table of this size is scanned for them.
      const selection = statements.find(({ text }) => text.includes('fitting'))
      expect(scansOfTasks(await explainOne(selection, 'custom')), selection?.text).toEqual([])
    }
  })

  test('a bulk action changes tasks by their ids', async () => {
    const { manager } = tables.createManager()
    const taskIds = Array.from({ length: 100 }, (_, i) => `task_h${i}`)
    for (const action of ['cancel', 'retry', 'delete'] as const) {
      const statements = await captureStatements(tables.pool, () => manager.bulk({ action, taskIds }))
      for (const statement of statements) {
        for (const kind of KINDS) {
          expect(scansOfTasks(await explainOne(statement, kind)), statement.text).toEqual([])
        }
      }
    }
  })

  test('the pruner walks a type from its oldest task on', async () => {
    const { db } = tables.createManager()
    const sent = await captureAllStatements(() => pruneStep(db, 'type1', 3_600_000, PRUNE_START))
    const settings = sent.find(({ text }) => text.startsWith('set local'))?.text
    const statement = sent.find(({ text }) => text.includes('scanned'))
    expect(settings).toBeDefined()
    for (const kind of KINDS) {
      const plan = await explainOne(statement, kind, settings)
      expect(indexesOf(plan), kind).toEqual(
        expect.arrayContaining(['idx_async_tasks_created_at', 'async_tasks_pkey']),
      )
      expect(indexesOf(plan), kind).not.toContain('idx_async_tasks_status')
      expect(scansOfTasks(plan), kind).toEqual([])
    }
    const types = await captureStatements(tables.pool, () => findTypesToPrune(db, ['type1']))
    for (const kind of KINDS) expect(scansOfTasks(await explainOne(types[0], kind))).toEqual([])
  })

  test('a create with a unique key finds who has it by that', async () => {
    await rememberTypes(tables.pool, 'elsewhere')
    const { manager } = tables.createManager()
    const create = () => manager.createTask('elsewhere', { a: 1 }, { uniqueKey: 'k' })
    await create()
    const statements = await captureStatements(tables.pool, create)
    const holders = statements.find(({ text }) => text.includes('/* tasks_key_holders */'))
    for (const kind of KINDS) {
      const plan = await explainOne(holders, kind)
      expect(indexesOf(plan), kind).toContain('idx_async_tasks_unique_key')
      expect(scansOfTasks(plan), kind).toEqual([])
    }
  })

  test('what steers one task finds it by its id', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert(inStatus('running'))
    const statements = await captureStatements(tables.pool, async () => {
      await manager.updateProgress(taskId, 1)
      await manager.logMessage(taskId, 'INFO', 'x')
      await manager.cancelTask(taskId)
      await manager.retryTask(taskId)
      await manager.updateTask(taskId, { params: { a: 1 }, priority: 1 })
      await manager.runNow(taskId)
    })
    for (const statement of statements) {
      for (const kind of KINDS) {
        expect(scansOfTasks(await explainOne(statement, kind)), statement.text).toEqual([])
      }
    }
  })
})
