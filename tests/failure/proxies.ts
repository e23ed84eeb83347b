/** What a proxy may do to what passes it. `up` is what the service says, `down` what it is answered. */
const toxics = {
  /** 100 ± 50 ms each way and 2 MiB/s down: another continent. */
  slow: [
    { name: 'late-up', type: 'latency', stream: 'upstream', attributes: { latency: 50, jitter: 25 } },
    { name: 'late-down', type: 'latency', stream: 'downstream', attributes: { latency: 50, jitter: 25 } },
    { name: 'narrow', type: 'bandwidth', stream: 'downstream', attributes: { rate: 2_048 } },
  ],
  /** Requests arrive, answers vanish. */
  deaf: [{ name: 'deaf', type: 'timeout', stream: 'downstream', attributes: { timeout: 0 } }],
} as const;

export type Trouble = keyof typeof toxics | 'cut';

/** Proxies between services and what they call, by name, on a toxiproxy. */
export class Proxies {
  readonly #api: string;

  constructor(api: string) {
    this.#api = api;
  }

  /** Passes on what comes to a port of this machine. */
  async add(name: string, port: number, upstream: string): Promise<void> {
    await this.#ask('POST', '/proxies', { name, listen: `127.0.0.1:${port}`, upstream, enabled: true });
  }

  async trouble(name: string, trouble: Trouble): Promise<void> {
    if (trouble === 'cut') await this.#ask('POST', `/proxies/${name}`, { enabled: false });
    else for (const toxic of toxics[trouble]) await this.#ask('POST', `/proxies/${name}/toxics`, toxic);
  }

  /** Ends the trouble. Connections that lost answers are cut: half an answer would be taken for another one. */
  async heal(name: string, trouble: Trouble): Promise<void> {
    if (trouble === 'deaf') await this.#ask('POST', `/proxies/${name}`, { enabled: false });
    if (trouble !== 'cut')
      for (const toxic of toxics[trouble]) await this.#ask('DELETE', `/proxies/${name}/toxics/${toxic.name}`);
    await this.#ask('POST', `/proxies/${name}`, { enabled: true });
  }

  async #ask(method: string, path: string, body?: object): Promise<void> {
    const response = await fetch(`${this.#api}${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    if (!response.ok) throw new Error(`toxiproxy: ${method} ${path}: ${response.status} ${await response.text()}`);
  }
}
