type AnyFunction = (...args: unknown[]) => unknown;

/** Cuts a service off from the world: from then on nothing it does has an effect and nothing reaches it. */
export class Severance {
  readonly #possible: boolean;
  #cut = false;
  readonly #subscriptions = new Set<{ close(): Promise<void> }>();

  /** Where it will not be used, ports are handed on as they are and cost nothing. */
  constructor(possible: boolean) {
    this.#possible = possible;
  }

  get cut(): boolean {
    return this.#cut;
  }

  /**
   * The port as one service holds it. After `sever`, its calls never settle and its handlers are never called: the code
   * of the service stops wherever it waits, as a killed process does.
   */
  port<T extends object>(target: T): T {
    if (!this.#possible) return target;
    return new Proxy(target, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name, object);
        if (typeof value === 'function') return this.#call((value as AnyFunction).bind(object));
        return typeof value === 'object' && value !== null ? this.port(value) : value;
      },
    });
  }

  /** Resolves when the other side has noticed (subscriptions are gone). */
  async sever(): Promise<void> {
    if (!this.#possible) throw new TypeError('the platform was not started crashable');
    this.#cut = true;
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
  }

  #call(method: AnyFunction): AnyFunction {
    return (...args) => {
      if (this.#cut) return new Promise(() => undefined);
      const result = method(...args.map((arg) => this.#handler(arg)));
      if (result instanceof Promise) return this.#promise(result);
      if (isSubscription(result)) this.#subscriptions.add(result);
      return result;
    };
  }

  #promise(result: Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      result.then(
        (value) => {
          // What stops a listener is kept, to be called when the service is gone.
          if (typeof value === 'function')
            this.#subscriptions.add({ close: async () => void (await (value as AnyFunction)()) });
          if (!this.#cut) resolve(value);
        },
        (error: unknown) => {
          if (!this.#cut) reject(error);
        },
      );
    });
  }

  /** Functions given to a port, alone or in an object of handlers, fall silent too. */
  #handler(arg: unknown): unknown {
    if (typeof arg === 'function') return this.#call(arg as AnyFunction);
    if (typeof arg !== 'object' || arg === null || Object.getPrototypeOf(arg) === null) return arg;
    const methods = methodNames(arg);
    if (methods.length === 0) return arg;
    return new Proxy(arg, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name, object);
        return typeof value === 'function' && methods.includes(name as string)
          ? this.#call((value as AnyFunction).bind(object))
          : value;
      },
    });
  }
}

const isSubscription = (value: unknown): value is { close(): Promise<void> } =>
  typeof value === 'object' && value !== null && 'close' in value && 'lag' in value;

/** Handlers of a shard are recognised by their names, so that data passed to ports stays as it is. */
const handlerNames = ['assigned', 'batch', 'revoked'];
const methodNames = (value: object): string[] =>
  handlerNames.filter((name) => typeof (value as Record<string, unknown>)[name] === 'function');
