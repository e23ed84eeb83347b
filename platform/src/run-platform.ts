import { isIP } from 'node:net';
import { runMain } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { banner } from './banner.ts';
import { type PlatformConfig, platformConfig } from './config.ts';
import { startPlatform } from './start.ts';
import { takenPorts } from './taken-ports.ts';

/** What `npm start` runs. */
export const runPlatform = (): Promise<void> =>
  runMain(async (signal) => {
    const config = platformConfig();
    assertLoopback(config);
    await assertPortsFree(config);
    const platform = await startPlatform(config).catch((error: unknown) => {
      throw plainly(error, config);
    });
    process.stdout.write(banner(platform, config));
    await platform.run(signal);
    process.stdout.write('stopped\n');
  });

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

/** The development app's secret lies in a file and its tenant allows any origin: nobody else may reach it. */
const assertLoopback = ({ host, developmentApp }: PlatformConfig): void => {
  if (!developmentApp || isLoopback(host)) return;
  throw new ConfigError(
    `CAAS_HOST=${host} is not a loopback address, and the development app exists. To serve others set CAAS_DEVELOPMENT_APP=false, and CAAS_OPERATOR_TOKEN to create tenants of your own.`,
  );
};

/** gRPC beside that of the nodes: auth, persistence, gateway. */
const otherGrpcPorts = 3;

/** Throws one ConfigError that names every port that is taken. */
const assertPortsFree = async (config: PlatformConfig): Promise<void> => {
  const { host, gatewayPort, socketPorts, authPort } = config;
  const grpcPorts =
    authPort === 0 ? [] : Array.from({ length: socketPorts.length + otherGrpcPorts }, (_, i) => authPort + i);
  const taken = await takenPorts([
    ...[gatewayPort, ...socketPorts].map((port) => ({ host, port, variable: portVariable(port, config) })),
    ...grpcPorts.map((port) => ({ host: '127.0.0.1', port, variable: portVariable(port, config) })),
  ]);
  if (taken.length > 0) throw new ConfigError(taken.map(portTaken).join('\n'));
};

const portTaken = ({ port, variable }: { port: number; variable: string }): string =>
  `port ${port} is taken: stop what uses it, or set ${variable} to another one; 0 takes any free one.`;

/** The variable that moves what listens on a port. */
const portVariable = (port: number, { gatewayPort, socketPorts, mediaPort }: PlatformConfig): string => {
  if (port === gatewayPort) return 'GATEWAY_PORT';
  if (port === mediaPort) return 'MEDIA_PORT';
  const node = socketPorts.indexOf(port);
  return node < 0 ? 'AUTH_GRPC_PORT (the gRPC of all services follows it)' : `SOCKET_${node + 1}_PORT`;
};

/** A fault of the machine or its settings as a sentence that says what to do; any other as it is. */
const plainly = (error: unknown, config: PlatformConfig): unknown => {
  const fault = error as NodeJS.ErrnoException & { port?: number };
  const taken = error instanceof ConfigError ? /:(\d+): the port is taken$/.exec(error.message)?.[1] : undefined;
  const port = taken === undefined ? fault.port : Number(taken);
  if (port !== undefined && (taken !== undefined || fault.code === 'EADDRINUSE')) {
    return new ConfigError(portTaken({ port, variable: portVariable(port, config) }));
  }
  if (fault.syscall === 'listen' || fault.syscall === 'getaddrinfo')
    return new ConfigError(
      `cannot listen: ${fault.message}. See CAAS_HOST, GATEWAY_PORT, SOCKET_1_PORT, SOCKET_2_PORT, MEDIA_PORT.`,
    );
  const { details } = error as { details?: Readonly<Record<string, string>> };
  if (fault.code === 'ENOSPC' || fault.code === 'EDQUOT' || details?.['engine'] === 'SQLITE_FULL')
    return new ConfigError(
      `the disk is full: make room where ${config.dataDir} is, or set CAAS_DATA to a folder elsewhere. What is there is kept.`,
    );
  if (fault.code === 'EACCES' || fault.code === 'EPERM' || fault.code === 'EROFS' || fault.code === 'EISDIR')
    return new ConfigError(`no access: ${fault.message}. CAAS_DATA names the folder of the data.`);
  return error;
};
