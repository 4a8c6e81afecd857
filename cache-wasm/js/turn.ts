/**
 * Of all pages of an origin one writes at a time: the one that holds a lock. A page that is left gives it up, because one
 * that holds a lock is not kept for the way back, and asks for it again when the reader comes back.
 */

export interface TurnEvents {
  /** The lock is this page's; it may write when this is done. */
  claim(): Promise<void>;
  /** It may write. */
  began(): void;
  /** It may not, until it has begun again. */
  ended(): void;
  /** The page may be gone after this call. */
  leaves(): void;
  /** No lock can be had. */
  failed(): void;
}

export class Turn {
  isMine = false;
  readonly #name: string;
  readonly #events: TurnEvents;
  readonly #unlisten: () => void;
  #release = () => {};

  constructor(name: string, events: TurnEvents) {
    this.#name = name;
    this.#events = events;
    this.#unlisten = this.#listen();
    this.#ask();
  }

  /** Gives the lock up, and asks for it again. */
  again(): void {
    this.#giveUp();
    this.#ask();
  }

  end(): void {
    this.#unlisten();
    this.#giveUp();
  }

  #ask(): void {
    const waiting = new AbortController();
    const { signal } = waiting;
    const given = new Promise<void>((resolve) => (this.#release = resolve));
    const held = async () => {
      await this.#events.claim();
      if (signal.aborted) return;
      this.isMine = true;
      this.#events.began();
      await given;
    };
    const release = this.#release;
    this.#release = () => {
      waiting.abort();
      release();
    };
    navigator.locks.request(this.#name, { signal }, held).catch(() => {
      if (!signal.aborted) this.#events.failed();
    });
  }

  #giveUp(): void {
    this.isMine = false;
    this.#release();
    this.#events.ended();
  }

  #listen(): () => void {
    if (typeof document === "undefined") return () => {};
    const changes = () => {
      if (document.visibilityState === "hidden") this.#events.leaves();
    };
    const leaves = () => {
      this.#events.leaves();
      this.#giveUp();
    };
    const comesBack = ({ persisted }: PageTransitionEvent) => {
      if (persisted) this.#ask();
    };
    document.addEventListener("visibilitychange", changes);
    addEventListener("pagehide", leaves);
    addEventListener("pageshow", comesBack);
    return () => {
      document.removeEventListener("visibilitychange", changes);
      removeEventListener("pagehide", leaves);
      removeEventListener("pageshow", comesBack);
    };
  }
}
