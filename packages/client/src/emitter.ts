/** Typed events. Listeners run in order of registration; one that throws doesn't keep the others from running. */
export class Emitter<Events> {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();

  /** Calls a listener at each event of that name until the returned function is called. */
  on<K extends keyof Events>(name: K, listener: (value: Events[K]) => void): () => void {
    let listeners = this.#listeners.get(name);
    if (!listeners) {
      listeners = new Set();
      this.#listeners.set(name, listeners);
    }
    // A wrapper, so that the same function registered twice is two registrations.
    const registered = (value: Events[K]) => listener(value);
    listeners.add(registered);
    return () => listeners.delete(registered);
  }

  /** Calls a listener at the next event of that name only. */
  once<K extends keyof Events>(name: K, listener: (value: Events[K]) => void): () => void {
    const off = this.on(name, (value) => {
      off();
      listener(value);
    });
    return off;
  }

  /** Raises an event. A listener's fault surfaces as an uncaught error of its own, outside the client's work. */
  emit<K extends keyof Events>(name: K, value: Events[K]): void {
    const listeners = this.#listeners.get(name);
    if (!listeners || listeners.size === 0) return;
    for (const listener of [...listeners] as ((value: Events[K]) => void)[]) {
      try {
        listener(value);
      } catch (fault) {
        queueMicrotask(() => {
          throw fault;
        });
      }
    }
  }
}
