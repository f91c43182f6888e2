const NETWORK =
  /^(?:NODE_EXTRA_CA_CERTS|(?:https?|no)_proxy|npm_config_(?:registry|cafile|userconfig|cache))$/i

/** The environment of a clean machine, with what npm needs to reach its registry from this one. */
export function npmEnv(): NodeJS.ProcessEnv {
  const network = Object.entries(process.env).filter(([name]) => NETWORK.test(name))
  const { PATH, HOME } = process.env
  return { PATH, HOME, ...Object.fromEntries(network), npm_config_prefer_offline: 'true' }
}
