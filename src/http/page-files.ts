/**
 * The files of the admin page by name, compressed by Brotli, in base64: for bundles, which have no files beside them.
 * `npm run build` fills it in `dist`.
 */
export const PAGE_FILES: Readonly<Record<string, string>> = {}
