import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface IssueOptions {
  /** Files are named after it; the name of the service otherwise. */
  file?: string;
  /** DNS names; the name of the service otherwise. */
  dnsNames?: readonly string[];
  /** False: the certificate has DNS names only. */
  commonName?: boolean;
  expired?: boolean;
}

/** A certificate authority of a test's own. */
export interface Authority {
  /** Its certificate, PEM. */
  readonly caFile: string;
  /** Writes `<name>.pem` and `<name>.key` into a folder. */
  issue(dir: string, name: string, options?: IssueOptions): void;
}

const openssl = (...args: string[]): void => {
  try {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Error(missing ? 'openssl is needed to make certificates for tests' : `openssl ${args[0]} failed`, {
      cause,
    });
  }
};

export const newFolder = (): string => mkdtempSync(join(tmpdir(), 'caas-tls-'));

export const newAuthority = (): Authority => {
  const own = newFolder();
  const caFile = join(own, 'ca.pem');
  const caKey = join(own, 'ca.key');
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-x509', ...newKey, '-keyout', caKey, '-out', caFile, '-subj', '/CN=caas test', '-days', '2');
  return {
    caFile,
    issue(dir, name, { file = name, dnsNames = [name], commonName = true, expired = false } = {}) {
      const request = join(own, 'request.csr');
      const extensions = join(own, 'extensions');
      writeFileSync(extensions, `subjectAltName=${dnsNames.map((dns) => `DNS:${dns}`).join(',')}\n`);
      const subject = commonName ? `/CN=${name}` : '/O=caas';
      openssl('req', '-new', ...newKey, '-keyout', join(dir, `${file}.key`), '-out', request, '-subj', subject);
      const signed = ['-CA', caFile, '-CAkey', caKey, '-extfile', extensions, '-days', expired ? '-1' : '2'];
      openssl('x509', '-req', '-in', request, ...signed, '-out', join(dir, `${file}.pem`));
    },
  };
};
