import { addDays, FIRST_TRADING_DAY } from '../days.ts'
import type { Board, Stock } from './source.ts'

/** The sample's segments: the first number of each and how many stocks it has. */
const SEGMENTS = [
  { prefix: '60', first: 0, count: 140, name: '沪样' },
  { prefix: '68', first: 8_000, count: 40, name: '科样' },
  { prefix: '00', first: 1, count: 120, name: '深样' },
  { prefix: '30', first: 1, count: 70, name: '创样' },
  { prefix: '92', first: 1, count: 30, name: '北样' },
] as const

const INDUSTRIES =
  '银行 证券 保险 房地产 白酒 食品加工 家用电器 汽车整车 半导体 元器件 软件服务 通信设备 医药制造 医疗器械 电力 煤炭 钢铁 有色金属 化工 建筑工程'.split(
    ' ',
  )

const CONCEPTS =
  '人工智能 新能源车 锂电池 光伏 储能 机器人 芯片 云计算 大数据 5G 物联网 数字货币 军工 国企改革 一带一路 碳中和 氢能源 消费电子 创新药 智慧城市'.split(
    ' ',
  )

/** Every tenth stock lists later than the exchange opened, some months apart, so that early days have fewer bars. */
function listDateOf(index: number): string {
  return index % 10 === 0 ? addDays(FIRST_TRADING_DAY, (index / 10 + 1) * 300) : FIRST_TRADING_DAY
}

export const SAMPLE_STOCKS: readonly Stock[] = SEGMENTS.flatMap(({ prefix, first, count, name }) =>
  Array.from({ length: count }, (_, index) => ({
    symbol: `${prefix}${String(first + index).padStart(4, '0')}`,
    name: `${name}${String(index + 1).padStart(3, '0')}`,
    listDate: listDateOf(index),
  })),
)

function boards(type: Board['type'], prefix: string, names: readonly string[]): Board[] {
  return names.map((name, index) => ({ code: `${prefix}${String(index + 1).padStart(4, '0')}`, name, type }))
}

export const SAMPLE_BOARDS: readonly Board[] = [
  ...boards('industry', 'SI', INDUSTRIES),
  ...boards('concept', 'SC', CONCEPTS),
]
