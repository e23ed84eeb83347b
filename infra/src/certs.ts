/**
 * `npm run certs -- [DIR]`: certificates for mutual TLS between the services of a development machine, by an authority of
 * their own whose key nobody keeps: to renew them, all are made anew together.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, runMain } from '@caas/kit';
import { hasVersion, runCommand } from './command.ts';

/** Whoever speaks gRPC: the services, and the operator, who calls them. */
export const certificateNames = [
  'gateway',
  'auth',
  'socket',
  'persistence',
  'compliance',
  'crypto',
  'media',
  'search',
  'webhooks',
  'operator',
] as const;

/** How long they hold, in days. */
const validDays = 365;
const ellipticCurve = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];

/** What openssl reads instead of the machine's own settings. */
const settings = `[req]
distinguished_name = subject
[subject]
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
`;

/** A service proves its name both as a server and as a client. */
const extensionsOf = (name: string): string => `basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:${name}
`;

const openssl = (...args: string[]): Promise<string> => runCommand('openssl', args);

const makeAuthority = async (folder: string, config: string): Promise<void> => {
  const key = join(folder, 'ca.key');
  await openssl('genpkey', ...ellipticCurve, '-out', key);
  const request = ['-new', '-x509', '-config', config, '-extensions', 'authority', '-key', key];
  const subject = ['-subj', '/CN=CAAS development authority', '-days', String(validDays), '-sha256'];
  await openssl('req', ...request, ...subject, '-out', join(folder, 'ca.pem'));
};

const makeCertificate = async (folder: string, config: string, name: string): Promise<void> => {
  const file = (suffix: string): string => join(folder, `${name}.${suffix}`);
  await openssl('genpkey', ...ellipticCurve, '-out', file('key'));
  await openssl('req', '-new', '-config', config, '-key', file('key'), '-subj', `/CN=${name}`, '-out', file('csr'));
  await writeFile(file('ext'), extensionsOf(name));
  const issuer = ['-CA', join(folder, 'ca.pem'), '-CAkey', join(folder, 'ca.key')];
  const terms = ['-days', String(validDays), '-sha256', '-set_serial', `0x00${randomBytes(16).toString('hex')}`];
  await openssl('x509', '-req', '-in', file('csr'), ...issuer, ...terms, '-extfile', file('ext'), '-out', file('pem'));
};

/**
 * Makes `ca.pem` and for each name `<name>.pem` and `<name>.key` (mode 0600), in place of those that are there. A reader that
 * looks meanwhile may find a certificate beside the key of the one before, and looks again.
 */
export const makeCertificates = async (dir: string): Promise<void> => {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const draft = await mkdtemp(join(dir, '.draft-'));
  try {
    const config = join(draft, 'openssl.cnf');
    await writeFile(config, settings);
    await makeAuthority(draft, config);
    for (const name of certificateNames) await makeCertificate(draft, config, name);
    for (const file of ['ca.pem', ...certificateNames.flatMap((name) => [`${name}.key`, `${name}.pem`])]) {
      await chmod(join(draft, file), file.endsWith('.key') ? 0o600 : 0o644);
      await rename(join(draft, file), join(dir, file));
    }
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
};

if (import.meta.main)
  await runMain(async () => {
    if (!(await hasVersion('openssl', ['version'], { from: 1.1 })))
      throw new ConfigError('This machine lacks openssl 1.1.1 or later. On Debian: sudo apt-get install -y openssl');
    const dir = process.argv[2] ?? '.cache/certs';
    await makeCertificates(dir);
    process.stdout.write(
      `${certificateNames.length} certificates by a new authority, for ${validDays} days: CAAS_TLS_DIR=${dir}\n`,
    );
  });
