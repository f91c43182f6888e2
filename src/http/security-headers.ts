import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

const YEAR_SECONDS = 31_536_000

export interface SecurityHeadersOptions {
  /** Makes browsers use HTTPS alone for this host, on all its ports. */
  hsts: boolean
}

/** Browsers load nothing from elsewhere and show our pages in no frame. */
export default fp(
  async (app: FastifyInstance, { hsts }: SecurityHeadersOptions) => {
    await app.register(helmet, {
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'self'"],
          baseUri: ["'self'"],
          formAction: ["'self'"],
          frameAncestors: ["'none'"],
          // Images in the documentation's style sheets.
          imgSrc: ["'self'", 'data:'],
          objectSrc: ["'none'"],
          scriptSrc: ["'self'"],
          scriptSrcAttr: ["'none'"],
          styleSrc: ["'self'"],
        },
      },
      // Not for subdomains, which may belong to others.
      strictTransportSecurity: hsts && { maxAge: YEAR_SECONDS, includeSubDomains: false },
    })
  },
  { name: 'security-headers', fastify: '5.x' },
)
