/** Web Locks, as far as the cache uses them: who asks first holds first. */
export class FakeLocks {
  readonly #last = new Map<string, Promise<void>>();

  async request(name: string, { signal }: { signal: AbortSignal }, held: () => unknown): Promise<unknown> {
    const before = this.#last.get(name) ?? Promise.resolve();
    let end = () => {};
    const turn = new Promise<void>((resolve) => (end = resolve));
    this.#last.set(
      name,
      before.then(() => turn),
    );
    try {
      const given = new Promise<"up">((resolve) => signal.addEventListener("abort", () => resolve("up")));
      if (signal.aborted || (await Promise.race([before, given])) === "up") throw signal.reason;
      return await held();
    } finally {
      end();
    }
  }
}
