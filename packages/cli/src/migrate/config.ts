import { join } from 'node:path';
import { allOrNone, type EngineSettings, kafkaOf, kafkaVariables, mongoOf, mongoVariables } from '@caas/engines';
import { loadConfig, oneOf, text, url } from '@caas/kit/config';
import { z } from 'zod';

const schema = z
  .object({
    /** The old service's MongoDB. */
    OLD_MONGODB_URL: url('mongodb', 'mongodb+srv'),
    OLD_MONGODB_DATABASE: text().default('messaging'),
    /** Folder of the embedded engines, where no distributed ones are named. */
    CAAS_DATA: text().default('data'),
    LOG_LEVEL: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').default('warn'),
    ...kafkaVariables,
    ...mongoVariables,
  })
  // The log is asked for by those modes alone that follow it.
  .superRefine(allOrNone('MONGODB_URL'));

export interface MigrateConfig {
  old: { url: string; database: string };
  engines: EngineSettings;
  logFile: string;
  messagesFile: string;
  accountsFile: string;
  logLevel: z.infer<typeof schema>['LOG_LEVEL'];
}

/** The settings, checked; throws one ConfigError that names everything that is wrong. */
export const migrateConfig = (env: Readonly<Record<string, string | undefined>> = process.env): MigrateConfig => {
  const settings = loadConfig('caas migrate', schema, env);
  return {
    old: { url: settings.OLD_MONGODB_URL, database: settings.OLD_MONGODB_DATABASE },
    engines: { kafka: kafkaOf(settings), mongo: mongoOf(settings) },
    logFile: join(settings.CAAS_DATA, 'log.db'),
    messagesFile: join(settings.CAAS_DATA, 'messages.db'),
    accountsFile: join(settings.CAAS_DATA, 'accounts.db'),
    logLevel: settings.LOG_LEVEL,
  };
};
