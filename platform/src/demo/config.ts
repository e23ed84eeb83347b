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
  /** Where `npm run infra` says how its engines are reached. */
  CAAS_INFRA_DIR: settings.text().default('.cache/infra'),
});
type Env = Readonly<Record<string, string | undefined>>;

const configOf = (env: Env): z.output<typeof schema> =>
  loadConfig('demo', schema as z.ZodType<z.output<typeof schema>>, env);

/** Folder of the engines of a distributed demo. */
export const infraDirOf = (env: Env = process.env): string => configOf(env).CAAS_INFRA_DIR;

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
export const namedAccess = async (env: Env = process.env): Promise<Access | undefined> => {
  const given = configOf(env);
  const fromEnv = accessOf(given, 'the environment');
  if (fromEnv) return fromEnv;
  const file = join(given.CAAS_DATA, 'dev.env');
  const text = await readFile(file, 'utf8').catch(() => '');
  return accessOf(
    Object.fromEntries([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value])),
    file,
  );
};

const accessOf = (env: Env, from: string): Access | undefined => {
  const { CAAS_GATEWAY_URL: gatewayUrl, CAAS_APP_ID: appId, CAAS_APP_SECRET: appSecret } = env;
  return gatewayUrl && appId && appSecret ? { gatewayUrl, appId, appSecret, from } : undefined;
};
