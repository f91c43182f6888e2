import { createFilesSource } from './files.ts'
import { createSampleSource } from './sample.ts'
import type { MarketSource } from './source.ts'
import { createTushareSource } from './tushare.ts'
import type { TushareOptions } from './tushare-client.ts'

/** Which source, and what it needs; the market part of the server's configuration. */
export type MarketSourceSettings =
  | { readonly source: 'sample' }
  | { readonly source: 'files'; readonly filesDir: string }
  | ({ readonly source: 'tushare' } & Readonly<TushareOptions>)

/** Makes the process's one source: its rate limit and what it remembers are shared by all tasks. */
export function createMarketSource(settings: MarketSourceSettings): MarketSource {
  switch (settings.source) {
    case 'sample':
      return createSampleSource()
    case 'files':
      return createFilesSource(settings.filesDir)
    case 'tushare':
      return createTushareSource(settings)
  }
}
