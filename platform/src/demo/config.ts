import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as settings from '@caas/kit/config';
import { loadConfig } from '@caas/kit/config';
import { z } from 'zod';

const schema = z.object({
  CAAS_DATA: settings.text().default('data'),
  CAAS_GATEWAY_URL: settings.url('http', 'https').optional(),
  CAAS_APP_ID: settings.text().optional(),
  CAAS_APP_SECRET: settings.text().optional(),
});

/** An app, and the gateway that knows it. */
export interface Access {
  readonly gatewayUrl: string;
  readonly appId: string;
  readonly appSecret: string;
  /** Where it was found, to be told. */
  readonly from: string;
}

/**
 * The platform to talk to, as the environment names it or else as the last `npm start` left it in dev.env; undefined when
 * neither does. Says nothing of whether it runs. Throws a ConfigError when a variable is wrong.
 */
export const namedAccess = async (
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Access | undefined> => {
  const given = loadConfig('demo', schema as z.ZodType<z.output<typeof schema>>, env);
  const fromEnv = accessOf(given, 'the environment');
  if (fromEnv) return fromEnv;
  const file = join(given.CAAS_DATA, 'dev.env');
  const text = await readFile(file, 'utf8').catch(() => '');
  return accessOf(
    Object.fromEntries([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value])),
    file,
  );
};

const accessOf = (env: Readonly<Record<string, string | undefined>>, from: string): Access | undefined => {
  const { CAAS_GATEWAY_URL: gatewayUrl, CAAS_APP_ID: appId, CAAS_APP_SECRET: appSecret } = env;
  return gatewayUrl && appId && appSecret ? { gatewayUrl, appId, appSecret, from } : undefined;
};
