import { registerHooks } from 'node:module'

/** Imported before all else: the process keeps no figures. */
registerHooks({
  load(url, context, next) {
    if (!url.endsWith('/maintenance/figure-counter.ts')) return next(url, context)
    const source = 'export class FigureCounter { async flush() {} async stop() {} }'
    return { format: 'module', shortCircuit: true, source }
  },
})
