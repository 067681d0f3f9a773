/** Typed events. A listener that throws never reaches who emits, nor the other listeners. */

export type Listener<Value> = (value: Value) => void;

/** Undoes what gave it; safe to call twice. */
export type Stop = () => void;

export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** Calls `listener` at every `name` until the returned function is called. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): Stop {
    const known = this.#listeners.get(name) ?? new Set<Listener<never>>();
    this.#listeners.set(name, known.add(listener));
    return () => {
      known.delete(listener);
    };
  }

  /** The next `name` that `wanted` accepts. Rejects after `timeout_ms`. */
  once<Name extends keyof Events>(
    name: Name,
    { timeout_ms, wanted = () => true }: { timeout_ms: number; wanted?: (value: Events[Name]) => boolean },
  ): Promise<Events[Name]> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`no ${String(name)} within ${String(timeout_ms)} ms`));
      }, timeout_ms);
      const stop = this.on(name, (value) => {
        if (!wanted(value)) return;
        clearTimeout(timer);
        stop();
        resolve(value);
      });
    });
  }

  protected emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (listener as Listener<Events[Name]>)(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
