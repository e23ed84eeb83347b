import { CaasError } from '@caas/kit';
import type { Engines } from '@caas/platform';

/** The arguments of a call, loosely typed: tests pick out what they know. */
// biome-ignore lint/suspicious/noExplicitAny: every method of every engine passes here
type Args = any[];

interface Fault {
  /** Beginning of the names it concerns, for example `store.` or `log.append`. */
  name: string;
  when(args: Args): boolean;
  act(call: () => Promise<unknown>): Promise<unknown>;
}

/** Calls that are held back. */
export interface Held {
  readonly held: number;
  pass(): void;
  release(): void;
}

/** Stands between the services and their engines and holds up, refuses or falsifies calls. Names are `log.append`, `store.messages.page` … */
export class Faults {
  readonly #faults = new Set<Fault>();
  readonly #held = new Set<Held>();

  /** For the platform's option of that name. */
  readonly between = ({ log, store, accounts, audit, policies, privacy, index }: Engines): Engines => ({
    log: this.#around(log, 'log'),
    store: this.#around(store, 'store'),
    accounts: this.#around(accounts, 'accounts'),
    audit: this.#around(audit, 'audit'),
    policies: this.#around(policies, 'policies'),
    privacy: this.#around(privacy, 'privacy'),
    index: this.#around(index, 'index'),
  });

  /** Holds calls back until released; they are made then. After `pass` later calls are not held any more. */
  hold(name: string, when: (args: Args) => boolean = () => true): Held {
    let open: () => void = () => undefined;
    let held = 0;
    const released = new Promise<void>((resolve) => {
      open = resolve;
    });
    const off = this.#add({
      name,
      when,
      act: async (call) => {
        held++;
        await released;
        return call();
      },
    });
    const hold: Held = {
      get held() {
        return held;
      },
      pass: off,
      release: () => {
        off();
        open();
        this.#held.delete(hold);
      },
    };
    this.#held.add(hold);
    return hold;
  }

  /** Ends whatever a test left behind, so that a failed one does not hold up the next. */
  heal(): void {
    for (const hold of this.#held) hold.release();
    this.#faults.clear();
  }

  /** Refuses calls as an engine that is away does, until the returned function is called. */
  away(name: string, when: (args: Args) => boolean = () => true): () => void {
    return this.#add({ name, when, act: () => Promise.reject(new CaasError('UNAVAILABLE', 'the engine is away')) });
  }

  /** Changes what calls answer, until the returned function is called. */
  falsify<R>(name: string, change: (result: R) => R): () => void {
    return this.#add({ name, when: () => true, act: async (call) => change((await call()) as R) });
  }

  #add(fault: Fault): () => void {
    this.#faults.add(fault);
    return () => this.#faults.delete(fault);
  }

  #around<T extends object>(target: T, path: string): T {
    return new Proxy(target, {
      get: (object, key) => {
        const value: unknown = Reflect.get(object, key, object);
        const name = `${path}.${String(key)}`;
        if (typeof value === 'function')
          return (...args: Args) => {
            const call = () => value.apply(object, args);
            const fault = [...this.#faults].find((f) => name.startsWith(f.name) && f.when(args));
            return fault ? fault.act(call) : call();
          };
        return typeof value === 'object' && value !== null ? this.#around(value, name) : value;
      },
    });
  }
}
