/** That of package.json, which a bundle of one file does not have beside it. */
export const version = '0.1.0'
