import { readFileSync, writeFileSync } from 'node:fs'

// Makes what the server imports a dependency, in the versions of development, for an image without the rest.
const SERVER = [
  ...['@fastify/cookie', '@fastify/helmet', '@fastify/jwt', '@fastify/rate-limit', '@fastify/swagger-ui'],
  ...['@prometheus-io/client', '@zxcvbn-ts/core', '@zxcvbn-ts/language-common', 'bottleneck', 'csv-parse'],
  ...['drizzle-orm', 'fastify', 'pg', 'pino', 'pino-pretty', 'zod'],
]

const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
for (const name of SERVER) {
  const version = manifest.devDependencies[name]
  if (version === undefined) throw new Error(`package.json has no devDependency ${name}`)
  manifest.dependencies[name] = version
  delete manifest.devDependencies[name]
}
writeFileSync('package.json', JSON.stringify(manifest, null, 2))
