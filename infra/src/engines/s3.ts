import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { hasVersion, runCommand } from '../command.ts';
import type { Engine, Site } from '../engine.ts';
import { isListening } from '../port-check.ts';

const version = 'v1.8.0';
const home = (cacheDir: string): string => join(cacheDir, `versitygw-${version}`);
const binary = (cacheDir: string): string => join(home(cacheDir), 'versitygw');
/** A bucket is a folder of the gateway's. */
const bucket = 'caas-media';
const objectsOf = ({ dataDir }: Site): string => join(dataDir, 'objects');

const accountOf = ({ secrets }: Site) => ({ id: 'caas-media', secret: secrets['S3_SECRET_ACCESS_KEY'] as string });

/** versitygw: S3's API over a folder; one account, no TLS. */
export const s3: Engine = {
  name: 's3',
  users: ['admin', 'media'],
  ports: { s3: 9_000 },
  tools: [
    {
      what: 'go 1.21 or later',
      debian: 'golang-go',
      onlyToInstall: true,
      isThere: () => hasVersion('go', ['env', 'GOVERSION'], { from: 1.21 }),
    },
  ],
  isInstalled: async (cacheDir) => existsSync(binary(cacheDir)),
  async install(cacheDir) {
    const draft = join(home(cacheDir), 'draft');
    await mkdir(draft, { recursive: true });
    const flags = ['-trimpath', '-ldflags=-s -w'];
    await runCommand('go', ['install', ...flags, `github.com/versity/versitygw/cmd/versitygw@${version}`], {
      GOBIN: draft,
      CGO_ENABLED: '0',
      GOTOOLCHAIN: 'auto',
    });
    await rename(join(draft, 'versitygw'), binary(cacheDir));
  },
  async plan(site) {
    const port = site.ports['s3'] as number;
    await mkdir(join(objectsOf(site), bucket), { recursive: true });
    // It keeps versions only in buckets that ask for them, and needs a place for those.
    const versions = join(site.dataDir, 'versions');
    await mkdir(versions, { recursive: true });
    const { id, secret } = accountOf(site);
    return [
      {
        name: 's3',
        about: `versitygw ${version}, S3's API: bytes of media`,
        port,
        command: [
          binary(site.cacheDir),
          ...['--port', `127.0.0.1:${port}`, '--quiet'],
          ...['posix', '--versioning-dir', versions, objectsOf(site)],
        ],
        env: { ROOT_ACCESS_KEY: id, ROOT_SECRET_KEY: secret },
        isReady: () => isListening(port),
      },
    ];
  },
  env: async (site) => {
    const { id, secret } = accountOf(site);
    return {
      S3_URL: `http://127.0.0.1:${site.ports['s3']}`,
      S3_BUCKET: bucket,
      S3_ACCESS_KEY_ID: id,
      S3_SECRET_ACCESS_KEY: secret,
    };
  },
};
