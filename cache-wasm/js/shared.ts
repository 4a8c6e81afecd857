/**
 * One socket for an origin's tabs (R8): in a SharedWorker, else in a tab that leads, else one of this tab's own. What
 * cannot be had is given up for the next, in the middle of a visit too; the stream goes on from its cursors.
 */

import { baseOf } from "./arguments.js";
import { Led } from "./leader.js";
import type { Greeting } from "./relay-worker.js";
import { type Down, FORM, type Up } from "./relay-host.js";
import { addressOf, Socket, type SocketEvents, type Transport } from "./socket.js";
import { later } from "./timers.js";
import { Tunnel, type TunnelEvents } from "./tunnel.js";
import type { CacheOptions, SharingStats } from "./types.js";

/** How long a worker may take to start, in milliseconds. */
const START_MS = 3_000;
/** The code with which a connection is given up that nothing is heard of. */
export const SILENT = 4008;

export interface SharedEvents extends SocketEvents {
  /** The connection is lost, and another one can be had at once. */
  moved(): void;
}

/** A transport that can be put away while the page is frozen, or kept for the way back. */
export interface Way extends Transport {
  /** Gets ready for a connection, which may be wanted soon. */
  begin(): void;
  /** Lets go of all that would keep the page from that. It is taken up again by `open`. */
  rest(): void;
}

export class Shared implements Transport {
  readonly #url: string;
  readonly #token: string | undefined;
  #events: SharedEvents | undefined;
  readonly #ways: ("worker" | "leader")[];
  #way: Transport | Way;
  readonly stats: SharingStats = { by: "own", tabs: 1 };

  /** @throws {CacheError} `argument`, for a `url` that is none. */
  constructor({ url, share, token }: CacheOptions) {
    this.#url = addressOf(baseOf(url!));
    this.#token = typeof token === "string" ? token : undefined;
    this.#ways = share === "worker" || share === "leader" ? [share] : ["worker", "leader"];
    this.#way = this.#make();
  }

  /** Who hears of the connection. */
  listen(events: SharedEvents): void {
    this.#events = events;
  }

  open(): void {
    this.#way.open();
  }

  send(bytes: Uint8Array): void {
    this.#way.send(bytes);
  }

  close(code: number, reason: string): void {
    this.#way.close(code, reason);
  }

  rest(): void {
    if ("rest" in this.#way) this.#way.rest();
    else this.#way.close(1000, "the page rests");
  }

  /** The best way that is left. */
  #make(): Transport | Way {
    const by = this.#ways.shift();
    const { SharedWorker, BroadcastChannel, navigator } = globalThis as Partial<typeof globalThis>;
    const failed = (isWanted: boolean) => {
      this.#way = this.#make();
      if (isWanted) this.#events?.moved();
    };
    const events: TunnelEvents & SharedEvents = {
      opened: () => this.#events?.opened(),
      message: (bytes) => this.#events?.message(bytes),
      closed: (code) => this.#events?.closed(code),
      moved: () => this.#events?.moved(),
      // Another relay would refuse it as well.
      alone: () => {
        this.#ways.length = 0;
        this.rest();
        failed(true);
      },
      tabs: (tabs) => (this.stats.tabs = tabs),
    };
    if (by === "worker" && SharedWorker !== undefined) {
      this.stats.by = "worker";
      return begun(new Worked(this.#url, this.#token, events, failed));
    }
    if (by === "leader" && BroadcastChannel !== undefined && navigator?.locks !== undefined) {
      return begun(new Led(this.#url, this.#token, events, failed, (by) => (this.stats.by = by)));
    }
    if (by !== undefined) return this.#make();
    Object.assign(this.stats, { by: "own", tabs: 1 });
    return new Socket(this.#url, events);
  }
}

function begun(way: Way): Way {
  way.begin();
  return way;
}

/** A connection in the SharedWorker. */
class Worked implements Way {
  readonly #greeting: Greeting;
  readonly #tunnel: Tunnel;
  readonly #failed: (isWanted: boolean) => void;
  #port: MessagePort | undefined;
  #unwatch = () => {};

  constructor(url: string, token: string | undefined, events: TunnelEvents, failed: (isWanted: boolean) => void) {
    this.#greeting = ["relay", url, token, FORM];
    this.#tunnel = new Tunnel(events);
    this.#failed = failed;
  }

  begin(): void {
    if (this.#port === undefined) this.#start();
  }

  open(): void {
    this.begin();
    this.#tunnel.open();
  }

  send(bytes: Uint8Array): void {
    this.#tunnel.send(bytes);
  }

  close(code: number): void {
    // Of a worker that is gone nothing is heard: another one is asked for.
    if (code === SILENT) this.rest();
    else this.#tunnel.close();
  }

  rest(): void {
    this.#unwatch();
    this.#tunnel.close();
    this.#tunnel.detach();
    const port = this.#port;
    this.#port = undefined;
    port?.postMessage(["leave"] satisfies Up);
    port?.close();
  }

  #start(): void {
    const fail = () => {
      const { isWanted } = this.#tunnel;
      this.rest();
      this.#failed(isWanted);
    };
    let worker: SharedWorker;
    try {
      // As a literal, in one expression: bundlers look for it so.
      worker = new SharedWorker(new URL("./relay-worker.js", import.meta.url), { type: "module", name: "cache-wasm" });
    } catch {
      return queueMicrotask(fail);
    }
    const { port } = worker;
    this.#port = port;
    this.#unwatch = later(fail, START_MS);
    worker.onerror = () => {
      if (this.#port === port) fail();
    };
    port.onmessage = ({ data }: MessageEvent<Down | ["failed"]>) => {
      if (this.#port !== port) return;
      if (data[0] === "failed") return fail();
      if (data[0] === "ready") {
        this.#unwatch();
        return this.#tunnel.attach((up) => port.postMessage(up));
      }
      this.#tunnel.take(data);
    };
    port.postMessage(this.#greeting);
  }
}
