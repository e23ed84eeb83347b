import type { ZodType } from 'zod';

/** Settings a process can't start with. Its message is for an operator and carries no value of a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** A service's environment, checked: throws one ConfigError that names every setting that is wrong, and how. */
export const loadConfig = <T>(
  service: string,
  schema: ZodType<T>,
  env: Readonly<Record<string, string | undefined>>,
): T => {
  // A variable set to nothing means "not set": compose files and shells can't tell the two apart.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const lines = result.error.issues.map(
    ({ path, message }) => `  ${path.join('.') || '(settings together)'}: ${message}`,
  );
  throw new ConfigError(`${service} cannot start, its settings are wrong:\n${lines.join('\n')}`);
};
