type Write = (fields: object, message?: string) => void

/** What telemetry needs of a logger: pino's, Fastify's, or any other that takes fields first. */
export interface Logger {
  readonly debug: Write
  readonly info: Write & ((message: string) => void)
  readonly warn: Write
  readonly error: Write
}
