import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { experimental } from '@grpc/grpc-js';
import { ConfigError } from '../config.ts';

/** How often the files are looked at, in milliseconds. */
export const defaultReloadMs = 5_000;

/** What a service proves its name with, and whom it believes. */
interface Identity {
  ca: Buffer;
  certificate: Buffer;
  privateKey: Buffer;
  expiresAt: Date;
}

type CaListener = experimental.CaCertificateUpdateListener;
type IdentityListener = experimental.IdentityCertificateUpdateListener;

const pemBlock = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const certificatesIn = (pem: Buffer): X509Certificate[] =>
  (pem.toString('latin1').match(pemBlock) ?? []).map((block) => new X509Certificate(block));

/** Name of a certificate's subject: its common name, or without one its first DNS name. */
export const nameInCertificate = (commonName: unknown, altNames: string | undefined): string | undefined =>
  typeof commonName === 'string' ? commonName : /(?:^|, )DNS:([^,\s"]+)/.exec(altNames ?? '')?.[1];

/** Reads the three files; throws a ConfigError that says which of them is wrong and how, never what a key holds. */
const readIdentity = (dir: string, service: string): Identity => {
  const read = <T>(name: string, use: (pem: Buffer) => T): T => {
    try {
      return use(readFileSync(join(dir, name)));
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      throw new ConfigError(`mutual TLS: ${join(dir, name)}: ${code?.startsWith('E') ? code : message}`, { cause });
    }
  };
  const [certificateFile, keyFile] = [`${service}.pem`, `${service}.key`];
  const ca = read('ca.pem', (pem) => ({ pem, certificates: certificatesIn(pem) }));
  if (ca.certificates.length === 0) throw new ConfigError(`mutual TLS: ${join(dir, 'ca.pem')}: no certificate in it`);
  const privateKey = read(keyFile, (pem) => ({ pem, key: createPrivateKey(pem) }));
  return read(certificateFile, (pem) => {
    const chain = certificatesIn(pem);
    const [own, last] = [chain[0], chain.at(-1)];
    if (!own || !last) throw new Error('no certificate in it');
    const name = nameInCertificate(own.toLegacyObject().subject?.CN, own.subjectAltName);
    if (name !== service) throw new Error(`it is the certificate of ${name ?? 'nobody'}, not of ${service}`);
    if (own.checkHost(service) === undefined) throw new Error(`${service} is not among its DNS names`);
    if (!own.checkPrivateKey(privateKey.key)) throw new Error(`it does not belong to the key in ${keyFile}`);
    if (!ca.certificates.some((issuer) => last.checkIssued(issuer) && last.verify(issuer.publicKey)))
      throw new Error('no authority of ca.pem issued it');
    if (own.validFromDate > new Date()) throw new Error(`it is not valid before ${own.validFrom}`);
    if (own.validToDate <= new Date()) throw new Error(`it expired at ${own.validTo}`);
    return { ca: ca.pem, certificate: pem, privateKey: privateKey.pem, expiresAt: own.validToDate };
  });
};

/**
 * The files `ca.pem`, `<service>.pem` and `<service>.key` of a folder, read anew when they change for connections made from
 * then on; those that are open stay. Files that don't fit each other (the first of three was just replaced) change nothing:
 * what was read before goes on, and `onFault` is told once.
 */
export class CertificateFiles implements experimental.CertificateProvider {
  readonly #read: () => Identity;
  readonly #reloadMs: number;
  readonly #onFault: (fault: unknown) => void;
  readonly #caListeners = new Set<CaListener>();
  readonly #identityListeners = new Set<IdentityListener>();
  #identity: Identity;
  #watch: NodeJS.Timeout | undefined;
  #toldOf: string | undefined;

  /** Throws a ConfigError when the files are wrong. */
  constructor(dir: string, service: string, reloadMs: number, onFault: (fault: unknown) => void) {
    this.#read = () => readIdentity(dir, service);
    this.#reloadMs = reloadMs;
    this.#onFault = onFault;
    this.#identity = this.#read();
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#add(this.#caListeners, listener);
    process.nextTick(() => listener({ caCertificate: this.#identity.ca }));
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#add(this.#identityListeners, listener);
    process.nextTick(() => listener(this.#identity));
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#remove(this.#caListeners, listener);
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#remove(this.#identityListeners, listener);
  }

  /** Watches while somebody listens: nothing else keeps a timer. */
  #add<L>(listeners: Set<L>, listener: L): void {
    listeners.add(listener);
    if (this.#watch) return;
    this.#reload();
    this.#watch = setInterval(() => this.#reload(), this.#reloadMs).unref();
  }

  #remove<L>(listeners: Set<L>, listener: L): void {
    listeners.delete(listener);
    if (this.#caListeners.size > 0 || this.#identityListeners.size > 0) return;
    clearInterval(this.#watch);
    this.#watch = undefined;
  }

  #reload(): void {
    try {
      const before = this.#identity;
      const now = this.#read();
      this.#toldOf = undefined;
      const same = (['ca', 'certificate', 'privateKey'] as const).every((part) => now[part].equals(before[part]));
      if (same) return;
      this.#identity = now;
      for (const listener of this.#caListeners) listener({ caCertificate: now.ca });
      for (const listener of this.#identityListeners) listener(now);
    } catch (fault) {
      const { message } = fault as Error;
      if (message !== this.#toldOf) this.#onFault(fault);
      this.#toldOf = message;
    }
  }
}
