import { createFilesSource } from './files.ts'
import { createSampleSource } from './sample.ts'
import type { MarketSource } from './source.ts'
import { createTushareSource } from './tushare.ts'
import type { TushareOptions } from './tushare-client.ts'

/** Which source, and what it needs. */
export type MarketSourceSettings =
  | { readonly kind: 'sample' }
  | { readonly kind: 'files'; readonly folder: string }
  | ({ readonly kind: 'tushare' } & TushareOptions)

/** Makes the process's one source: its rate limit and its caches are shared by all tasks. */
export function createMarketSource(settings: MarketSourceSettings): MarketSource {
  switch (settings.kind) {
    case 'sample':
      return createSampleSource()
    case 'files':
      return createFilesSource(settings.folder)
    case 'tushare':
      return createTushareSource(settings)
  }
}
