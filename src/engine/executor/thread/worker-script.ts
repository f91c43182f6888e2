/** `worker.ts` as one script, for bundles, which have no files beside them. `npm run build` fills it in `dist`. */
export const WORKER_SCRIPT: string = ''
