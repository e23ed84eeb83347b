import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Platform, type PlatformOptions, startPlatform } from '@caas/platform';

export interface TestPlatform extends Platform {
  readonly dataDir: string;
  /** Stops everything; the data stays for another start unless `remove`. Idempotent. */
  stop(options?: { remove?: boolean }): Promise<void>;
}

/** The whole system as `npm start` runs it, on free ports and data of the test's own. */
export const testPlatform = async (options: Partial<PlatformOptions> = {}): Promise<TestPlatform> => {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'caas-')));
  const platform = await startPlatform({
    host: '127.0.0.1',
    gatewayPort: 0,
    socketPorts: [0, 0],
    mediaPort: 0,
    authPort: 0,
    developmentApp: true,
    crashable: true,
    drainMs: 50,
    logLevel: 'error',
    ...options,
    dataDir,
  });
  const stopping = new AbortController();
  const running = platform.run(stopping.signal);
  running.catch(() => undefined);
  return {
    ...platform,
    dataDir,
    async stop({ remove = true } = {}) {
      stopping.abort();
      await running;
      if (remove) await rm(dataDir, { recursive: true, force: true });
    },
  };
};

export interface TestUser {
  externalId: string;
  userId: string;
  sessionId: string;
  accessToken: string;
  refreshToken: string;
  socketUrls: string[];
}

/** A user as a tenant's backend gets one: by trading the app's secret at the gateway. */
export const signIn = async (platform: Pick<Platform, 'gatewayUrl' | 'app'>, externalId: string): Promise<TestUser> => {
  const response = await fetch(`${platform.gatewayUrl}/api/v1/auth/sdk/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      app_id: platform.app?.appId,
      app_secret: platform.app?.appSecret,
      user_external_id: externalId,
      display_name: externalId,
    }),
  });
  if (response.status !== 200) throw new Error(`token refused: ${response.status} ${await response.text()}`);
  const body = (await response.json()) as Record<string, string> & { socket_urls: string[] };
  return {
    externalId,
    userId: body['user_id'] as string,
    sessionId: body['session_id'] as string,
    accessToken: body['access_token'] as string,
    refreshToken: body['refresh_token'] as string,
    socketUrls: body.socket_urls,
  };
};
