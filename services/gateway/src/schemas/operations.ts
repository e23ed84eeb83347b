import { z } from 'zod';

export const health = z.strictObject({ status: z.literal('ok') }).meta({ id: 'Health' });

export const jwks = z
  .strictObject({
    keys: z
      .array(
        z.strictObject({
          kty: z.literal('OKP'),
          crv: z.literal('Ed25519'),
          x: z.string(),
          kid: z.string(),
          use: z.literal('sig'),
          alg: z.literal('EdDSA'),
        }),
      )
      .describe('Public keys, the current one first'),
  })
  .meta({ id: 'JsonWebKeySet' });

export const openApiDocument = z.record(z.string(), z.unknown()).meta({ id: 'OpenApiDocument' });
