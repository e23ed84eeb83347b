/**
 * What the documentation of Vault's Transit API says of the calls the adapter makes, over real AES-256-GCM and HKDF, for tests
 * on a machine that has no vault. Tests of the adapter against a real one take its address from VAULT_URL.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { rootKeyFrom } from '@caas/kit/sealing';

interface Key {
  derived: boolean;
  versions: Buffer[];
}

interface Given {
  method: string;
  token: string;
  path: string[];
  body: Record<string, unknown>;
}
type Answer = [status: number, data?: object];

const failed = (status: number, text: string): Answer => [status, { errors: [text] }];

export class TransitServer {
  readonly keys = new Map<string, Key>();
  /** Tokens it knows, with when they end on the clock of `performance.now()`. */
  readonly tokens = new Map<string, number>();
  /** Calls it has answered, by path. */
  readonly calls: string[] = [];
  /** Answers every call with this status, as a sealed or overloaded vault does. */
  refusing = 0;
  tokenSeconds = 3_600;
  readonly #server: Server;

  constructor(tls?: { key: string | Buffer; cert: string | Buffer }) {
    this.#server = tls ? createSecureServer(tls) : createServer();
    this.#server.on('request', async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString();
      const path = (request.url ?? '').split('/').slice(2);
      this.calls.push(path.join('/'));
      const [status, data] = this.#answer({
        method: request.method ?? '',
        token: String(request.headers['x-vault-token'] ?? ''),
        path,
        body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
      });
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(data === undefined ? '' : JSON.stringify(data));
    });
  }

  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  issue(token: string): void {
    this.tokens.set(token, performance.now() + this.tokenSeconds * 1_000);
  }

  #answer(given: Given): Answer {
    if (this.refusing !== 0) return failed(this.refusing, 'refused');
    const endsAt = this.tokens.get(given.token);
    if (endsAt === undefined || endsAt < performance.now()) return failed(403, 'permission denied');
    const [mount, ...path] = given.path;
    if (mount === 'auth') return this.#ownToken(given, path, endsAt);
    if (mount !== 'transit') return failed(404, 'no handler for route');
    const [verb, name = '', act] = path;
    if (verb === 'keys') return this.#key(given, name, act);
    const key = this.keys.get(name);
    if (!key) return failed(400, 'encryption key not found');
    return this.#transform(verb ?? '', key, given.body);
  }

  #ownToken({ method, token }: Given, path: string[], endsAt: number): Answer {
    if (path.join('/') === 'token/lookup-self' && method === 'GET')
      return [200, { data: { ttl: Math.floor((endsAt - performance.now()) / 1_000), renewable: true } }];
    if (path.join('/') !== 'token/renew-self' || method !== 'POST') return failed(404, 'no handler for route');
    this.issue(token);
    return [200, { auth: { client_token: token, lease_duration: this.tokenSeconds, renewable: true } }];
  }

  #key({ method, body }: Given, name: string, act: string | undefined): Answer {
    const key = this.keys.get(name);
    if (act === 'rotate') {
      if (!key) return failed(400, 'no existing key found');
      key.versions.push(randomBytes(32));
      return [200, { data: {} }];
    }
    if (method === 'POST') {
      if (!key) this.keys.set(name, { derived: body['derived'] === true, versions: [randomBytes(32)] });
      return [200, { data: {} }];
    }
    return key ? [200, { data: { latest_version: key.versions.length, derived: key.derived } }] : failed(404, '');
  }

  #transform(verb: string, key: Key, body: Record<string, unknown>): Answer {
    const context = Buffer.from(String(body['context'] ?? ''), 'base64');
    if (key.derived && context.length === 0) return failed(400, 'missing context for key derivation');
    const sealing = (version: number) => {
      const root = key.versions[version - 1] as Buffer;
      return rootKeyFrom(key.derived ? createHmac('sha256', root).update(context).digest() : root);
    };
    const newest = key.versions.length;
    const wrapped = (plain: Uint8Array): string =>
      `vault:v${newest}:${Buffer.from(sealing(newest).seal('', plain)).toString('base64')}`;
    const opened = (): Uint8Array | undefined => {
      const [, version, text] = /^vault:v(\d+):(.+)$/.exec(String(body['ciphertext'])) ?? [];
      if (text === undefined || Number(version) < 1 || Number(version) > newest) return undefined;
      try {
        return sealing(Number(version)).open('', Buffer.from(text, 'base64'));
      } catch {
        return undefined;
      }
    };
    if (verb === 'encrypt')
      return [
        200,
        { data: { ciphertext: wrapped(Buffer.from(String(body['plaintext']), 'base64')), key_version: newest } },
      ];
    const plain = opened();
    if (!plain) return failed(400, 'cipher: message authentication failed');
    if (verb === 'decrypt') return [200, { data: { plaintext: Buffer.from(plain).toString('base64') } }];
    if (verb === 'rewrap') return [200, { data: { ciphertext: wrapped(plain), key_version: newest } }];
    return failed(404, 'no handler for route');
  }
}
