import { isIP } from 'node:net';
import { runMain } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { banner } from './banner.ts';
import { type PlatformConfig, platformConfig } from './config.ts';
import { startPlatform } from './start.ts';

/** What `npm start` runs. */
export const runPlatform = (): Promise<void> =>
  runMain(async (signal) => {
    const config = platformConfig();
    assertLoopback(config);
    const platform = await startPlatform(config).catch((error: unknown) => {
      throw plainly(error);
    });
    process.stdout.write(banner(platform, config.dataDir));
    await platform.run(signal);
    process.stdout.write('stopped\n');
  });

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

/** The development app's secret lies in a file and its tenant allows any origin: nobody else may reach it. */
const assertLoopback = ({ host, developmentApp }: PlatformConfig): void => {
  if (!developmentApp || isLoopback(host)) return;
  throw new ConfigError(
    `CAAS_HOST=${host} is not a loopback address, and the development app exists. Set CAAS_DEVELOPMENT_APP=false to serve others.`,
  );
};

const portVariables = 'GATEWAY_PORT, SOCKET_1_PORT, SOCKET_2_PORT or AUTH_GRPC_PORT';

const plainly = (error: unknown): unknown => {
  const fault = error as NodeJS.ErrnoException & { port?: number; cause?: unknown };
  const text = `${fault.message ?? ''} ${fault.cause instanceof Error ? fault.cause.message : ''}`;
  if (fault.code === 'EADDRINUSE' || text.includes('EADDRINUSE')) {
    const port = fault.port ?? /:(\d+)/.exec(text)?.[1];
    return new ConfigError(`port ${port ?? ''} is taken: stop what uses it, or set ${portVariables} to another one.`);
  }
  if (fault.code === 'EACCES' || fault.code === 'EROFS')
    return new ConfigError(`no access: ${fault.message}. CAAS_DATA names the folder of the data.`);
  return error;
};
