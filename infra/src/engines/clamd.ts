import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasVersion } from '../command.ts';
import type { Engine } from '../engine.ts';
import { answerOf } from '../port-check.ts';

/** The file that scanners know and nobody fears, made here so that no file of the tree is one. */
const eicar = (): string => ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$', 'EICAR-STANDARD-ANTIVIRUS-TEST-FILE', '!$H+H*'].join('');

/** clamd with one signature, that of EICAR: nothing is fetched, so it finds nothing else. For tests. */
export const clamd: Engine = {
  name: 'clamd',
  users: ['admin'],
  isOnRequest: true,
  ports: { clamd: 3_310 },
  tools: [
    { what: 'clamd', debian: 'clamav-daemon', isThere: () => hasVersion('clamd', ['--version'], { from: 0.103 }) },
  ],
  isInstalled: async () => true,
  install: async () => undefined,
  async plan({ dataDir, ports }) {
    const port = ports['clamd'] as number;
    const [database, temporary, config] = [join(dataDir, 'db'), join(dataDir, 'tmp'), join(dataDir, 'clamd.conf')];
    for (const folder of [database, temporary]) await mkdir(folder, { recursive: true });
    await writeFile(join(database, 'local.ndb'), `Eicar-Test-Signature:0:*:${Buffer.from(eicar()).toString('hex')}\n`);
    const settings = {
      DatabaseDirectory: database,
      TemporaryDirectory: temporary,
      TCPSocket: port,
      TCPAddr: '127.0.0.1',
      Foreground: 'yes',
      StreamMaxLength: '25M',
      MaxScanSize: '100M',
      MaxFileSize: '25M',
      AlertExceedsMax: 'yes',
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`);
    await writeFile(config, lines.join(''));
    return [
      {
        name: 'clamd',
        about: 'clamd, with the signature of EICAR alone',
        port,
        command: ['clamd', '-c', config],
        isReady: async () => (await answerOf(port, 'zPING\0')) === 'PONG\0',
      },
    ];
  },
  env: async ({ ports }) => ({ MEDIA_CLAMD_ADDRESS: `127.0.0.1:${ports['clamd']}` }),
};
