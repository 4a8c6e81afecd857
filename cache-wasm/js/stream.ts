/** The followed stream: who follows what, and the carrying out of what the core asks for. It reads no value. */

import { text } from "./arguments.js";
import { CacheError } from "./errors.js";
import type { Mirror } from "./mirror.js";
import type { Shared, SharedEvents } from "./shared.js";
import { addressOf, PLATFORM, Socket, type Transport } from "./socket.js";
import { Alarm } from "./timers.js";
import type { Tokens } from "./token.js";
import type { CacheOptions, ChangeListener, SharingStats, StreamState } from "./types.js";

const OWN: SharingStats = { by: "own", tabs: 1 };

/** The close code of a token that has expired: `CloseCode` in `wire/src/close.rs`. */
const TOKEN_EXPIRED = 4001;

interface Subscription {
  stream: number;
  scope: string;
  listener: ChangeListener;
}

/** What a stream needs of its cache. */
export interface StreamHost {
  /** These scopes are followed now. */
  followed(scopes: readonly string[]): void;
  /** The stream may have spoken. */
  spoke(): void;
}

export class Stream {
  readonly #mirror: Mirror;
  readonly #host: StreamHost;
  readonly #subscriptions = new Set<Subscription>();
  readonly #alarm: Alarm;
  readonly #socket: Transport | undefined;
  readonly #shared: Shared | undefined;
  readonly #tokens: Tokens;
  /** The one that the connection has shown. */
  #token: string | undefined;
  /** Of the attempts to connect, the last. */
  #attempt = 0;
  /** Why an attempt came to nothing, where the core cannot know. */
  #failure: string | undefined;
  /** The page is frozen, or left. */
  #isAsleep = false;
  /** A connection was asked for meanwhile. */
  #isWanted = false;
  /** For marks: one message. */
  message = (bytes: Uint8Array) => this.input((now) => this.#mirror.core.message(bytes, now));

  /** Without a `base`, and where there is no WebSocket, nothing can be followed. */
  constructor(
    mirror: Mirror,
    base: string | undefined,
    tokens: Tokens,
    given: CacheOptions["WebSocket"],
    host: StreamHost,
    shared: Shared | undefined,
  ) {
    const { core, clock } = mirror;
    this.#mirror = mirror;
    this.#tokens = tokens;
    this.#host = host;
    this.#alarm = new Alarm(clock, () => this.input((now) => core.woke(now)));
    const create = given ?? PLATFORM;
    if (base === undefined || create === undefined) return;
    const events: SharedEvents = {
      opened: () => this.input((now) => core.opened(now)),
      message: (bytes) => this.message(bytes),
      closed: (code) => {
        if (code === TOKEN_EXPIRED) this.#tokens.expired(this.#token);
        this.input((now) => core.closed(code, now));
      },
      moved: () => {
        events.closed(undefined);
        this.input((now) => core.online(now));
      },
    };
    this.#shared = shared;
    shared?.listen(events);
    this.#socket = shared ?? new Socket(addressOf(base), events, create);
  }

  /** How the connection is shared. */
  get sharing(): SharingStats {
    // Member by member: of a spread here the optimiser of Node 20 dies ("unreachable code" in its deoptimiser).
    const { by, tabs } = this.#shared?.stats ?? OWN;
    return { by, tabs };
  }

  /**
   * The page is frozen, or left, perhaps for the back/forward cache: reads of followed scopes end now, because nothing is
   * heard any more, and the connection goes, because with it a page is not kept.
   */
  sleep(): void {
    if (this.#isAsleep || this.#mirror.closed !== undefined) return;
    const { core } = this.#mirror;
    const isConnected = core.pollTimeout() !== undefined;
    this.#isAsleep = true;
    this.#attempt++;
    if (this.#shared !== undefined) this.#shared.rest();
    else this.#socket?.close(1000, "the page sleeps");
    if (isConnected) this.input((now) => core.closed(undefined, now));
    else this.settle();
  }

  /** The page is back: where it was, the stream goes on. */
  wake(): void {
    if (!this.#isAsleep) return this.input((now) => this.#mirror.core.woke(now));
    this.#isAsleep = false;
    if (this.#isWanted) this.#connect();
    this.#isWanted = false;
    this.input((now) => this.#mirror.core.online(now));
  }

  /** Follows a scope; the returned function ends it. */
  follow(scope: string, listener: ChangeListener, category: number | undefined): () => void {
    if (this.#socket === undefined) {
      throw new CacheError("argument", "this platform has no WebSocket: pass one, as `WebSocket` of the package `ws`");
    }
    const { core } = this.#mirror;
    text("scope", scope);
    const stream = this.#mirror.change((now) => core.follow(scope, category, now));
    const subscription = { stream, scope, listener };
    this.#subscriptions.add(subscription);
    this.#tellScopes();
    this.settle();
    return () => {
      if (!this.#subscriptions.delete(subscription) || this.#mirror.closed !== undefined) return;
      this.#mirror.change(() => core.unfollow(stream));
      this.#tellScopes();
      this.settle();
    };
  }

  /** Something happened outside. */
  input(call: (now: number) => void): void {
    if (this.#mirror.closed !== undefined) return;
    this.#mirror.change(call);
    this.settle();
  }

  /** Carries out what the core asks for, then tells the application (R2: apply, move the cursor, call back). */
  settle(): void {
    const { core, news } = this.#mirror;
    const poll = () => this.#mirror.call(() => core.poll());
    for (let output = poll(); output !== undefined; output = poll()) {
      switch (output[0]) {
        case "connect":
          if (this.#isAsleep) this.#isWanted = true;
          else this.#connect();
          break;
        case "send":
          this.#socket?.send(output[1]);
          break;
        case "disconnect":
          this.#attempt++;
          this.#socket?.close(output[1], output[2]);
          break;
        case "state": {
          const [, state, known] = output;
          const detail = this.#failure ?? known;
          this.#failure = undefined;
          news.announce(news.stream, (listener) => listener(state as StreamState, detail));
          break;
        }
        case "changed": {
          const [, stream, values, changed, gone, purged, observedAt] = output;
          news.announce(this.#subscriptions, (subscription) => {
            const { scope, listener } = subscription;
            if (subscription.stream === stream) listener({ scope, values, changed, gone, purged, observedAt });
          });
          break;
        }
      }
    }
    // Who sleeps does not wake for it.
    this.#alarm.set(this.#isAsleep ? undefined : this.#mirror.call(() => core.pollTimeout()));
    this.#host.spoke();
    news.tell();
  }

  /** The cache is closed: nobody follows, and nothing is heard. */
  shut(): void {
    this.#alarm.set(undefined);
    this.#subscriptions.clear();
    this.#socket?.close(1000, "the cache was closed");
    this.#shared?.rest();
  }

  /** Opens a socket, as soon as there is a token to show. */
  #connect(): void {
    const attempt = ++this.#attempt;
    // One that is open still is of an attempt before.
    this.#socket?.close(1000, "replaced");
    const open = (token: string | undefined) => {
      if (attempt !== this.#attempt || this.#mirror.closed !== undefined) return;
      this.#token = token;
      this.#mirror.call(() => this.#mirror.core.setToken(token));
      this.#socket?.open();
    };
    const failed = (error: unknown) => {
      if (attempt !== this.#attempt) return;
      this.#failure = `no token could be had: ${String(error)}`;
      this.input((now) => this.#mirror.core.closed(undefined, now));
    };
    const asked = this.#tokens.get();
    if (typeof asked === "object") asked.then((token) => this.#mirror.quietly(() => open(token)), failed);
    else open(asked);
  }

  #tellScopes(): void {
    this.#host.followed([...new Set([...this.#subscriptions].map(({ scope }) => scope))]);
  }
}
