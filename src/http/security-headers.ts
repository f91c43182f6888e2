import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** Tells browsers to load nothing from anywhere else, and to show our pages in no frame. */
export default fp(
  async (app: FastifyInstance) => {
    await app.register(helmet, {
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'self'"],
          baseUri: ["'self'"],
          formAction: ["'self'"],
          frameAncestors: ["'none'"],
          // Small pictures inside the style sheets of the documentation page.
          imgSrc: ["'self'", 'data:'],
          objectSrc: ["'none'"],
          scriptSrc: ["'self'"],
          scriptSrcAttr: ["'none'"],
          styleSrc: ["'self'"],
        },
      },
      // This server speaks plain HTTP; whoever puts TLS before it decides for that name, and for how long.
      strictTransportSecurity: false,
    })
  },
  { name: 'security-headers', fastify: '5.x' },
)
