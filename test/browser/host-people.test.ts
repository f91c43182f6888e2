import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase } from '../support/database.ts'
import { createDemoTasks } from './demo-tasks.ts'
import { createHost, enterToken, link, listen, open, types } from './hosts.ts'
import { findLayoutFaults } from './layout.ts'

const tasks = createDemoTasks()

let connectionString: string

beforeAll(async () => {
  const database = await createTestDatabase()
  connectionString = database.url
  return () => database.drop()
})

test('a form that a session interrupts is there again for its person, and for nobody else', async () => {
  const app = createHost()
  const people = new Map([
    ['Bearer of-ada', { id: '7', name: 'Ada' }],
    ['Bearer of-eve', { id: '8', name: 'Eve' }],
  ])
  await app.register(asyncTasks, {
    connectionString,
    tasks,
    dashboard: true,
    authorize: ({ headers }) => people.get(headers.authorization ?? ''),
  })
  const origin = await listen(app)
  const { page } = await open(origin)
  const name = () => page.getByRole('dialog').getByLabel('Name')
  const loseSession = async () => {
    const before = new Map(people)
    people.clear()
    await page.getByRole('heading', { name: 'You are not logged in' }).waitFor()
    for (const [token, person] of before) people.set(token, person)
  }
  await page.goto(`${origin}/admin/?view=schedules`)
  await enterToken(page, 'of-ada')
  await page.getByText('Logged in as Ada').waitFor()
  await page.getByRole('button', { name: 'New schedule' }).click()
  await name().fill('of Ada')

  await loseSession()
  await enterToken(page, 'of-ada')
  expect(await name().inputValue()).toBe('of Ada')

  await loseSession()
  await enterToken(page, 'of-eve')
  await page.getByText('Logged in as Eve').waitFor()
  await page.getByRole('heading', { level: 1, name: 'Schedules' }).waitFor()
  expect(await page.getByRole('dialog').count()).toBe(0)
  await page.getByRole('button', { name: 'New schedule' }).click()
  expect(await name().inputValue()).toBe('')
})

test('the longest texts fit into every width, and axe finds nothing, in English and in Chinese', async () => {
  const app = createHost()
  const long = 'W'.repeat(40)
  await app.register(asyncTasks, {
    connectionString,
    tasks,
    dashboard: {
      title: long,
      environment: `${long.slice(1)}>`,
      homeUrl: '/',
      logoutUrl: 'https://sso.example/out',
      loginUrl: 'https://sso.example/in?a=1&rd={returnTo}',
    },
    authorize: ({ headers }) =>
      headers.authorization === 'Bearer mine' ? { id: 'n'.repeat(200), name: 'm'.repeat(200) } : undefined,
  })
  const origin = await listen(app)
  const looksRight = async (page: Page) => {
    await page.evaluate(axe.source)
    const { violations } = (await page.evaluate('axe.run(document)')) as { violations: { id: string }[] }
    expect(violations.map(({ id }) => id)).toEqual([])
    for (const width of [390, 768, 1000, 1440, 1920]) {
      await page.setViewportSize({ width, height: 900 })
      await expect.poll(() => findLayoutFaults(page), { message: `at ${width}` }).toEqual([])
    }
  }
  const { page } = await open(origin)
  await page.goto(`${origin}/admin/?view=types`)
  const login = link(page, 'Log in')
  const whole = encodeURIComponent(`${origin}/admin/?view=types`)
  expect(await login.getAttribute('href')).toBe(`https://sso.example/in?a=1&rd=${whole}`)
  await looksRight(page)
  await enterToken(page, 'mine')
  await types(page)
  await looksRight(page)
  expect(await link(page, 'Log out').getAttribute('href')).toBe('https://sso.example/out')

  const chinese = (await open(origin, { locale: 'zh-CN' })).page
  await chinese.goto(`${origin}/admin/?view=types`)
  await chinese.getByRole('heading', { name: '您尚未登录' }).waitFor()
  await chinese.getByText('环境：').waitFor()
  await link(chinese, '登录').waitFor()
  await link(chinese, '返回应用').waitFor()
  await chinese.getByRole('button', { name: '使用令牌' }).click()
  await chinese.getByText('请输入令牌').waitFor()
  await chinese.getByLabel('访问令牌').fill('of nobody')
  await chinese.getByRole('button', { name: '使用令牌' }).click()
  await chinese.getByText('服务器拒绝了此令牌').waitFor()
  await chinese.getByLabel('访问令牌').fill('mine')
  await chinese.getByRole('button', { name: '使用令牌' }).click()
  await chinese.getByText('已登录：mmm').waitFor()
  await looksRight(chinese)
})
