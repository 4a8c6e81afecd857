/**
 * Where there is no SharedWorker: the tab that holds a lock runs the relay, the others reach it by channels. When it goes,
 * the lock passes on, and everybody comes back to the new one. A tab that leads and does not answer, because it hangs, has
 * the lock taken from it: two relays at a time do no harm, each is honest to its own tabs.
 */

import { type Down, FORM, type RelayCore, RelayHost, type Up } from "./relay-host.js";
import { type SharedEvents, SILENT, type Way } from "./shared.js";
import { later } from "./timers.js";
import { Tunnel, type TunnelEvents } from "./tunnel.js";

type Events = TunnelEvents & SharedEvents;

/** How long the tab that leads may take to answer, in milliseconds. */
const ANSWER_MS = 1_000;
/** On the channel of all: this tab leads from now on; this tab wants a seat; the seat of this tab is at this channel. */
type Word = ["leads"] | ["seat", tab: string] | ["sit", tab: string, channel: string];

export class Led implements Way {
  readonly #url: string;
  readonly #token: string | undefined;
  readonly #name: string;
  readonly #me = `${Math.random()}`;
  readonly #tunnel: Tunnel;
  readonly #events: Events;
  readonly #failed: (isWanted: boolean) => void;
  readonly #became: (by: "leader" | "follower") => void;
  #host: RelayHost | undefined;
  #all: BroadcastChannel | undefined;
  /** To the seat at another tab. Each seat has a channel of its own, so that no two relays are heard at once. */
  #seat: BroadcastChannel | undefined;
  /** The tabs that have seats here, and how each seat ends. */
  readonly #seats = new Map<string, (isGone: boolean) => void>();
  #isSeated = false;
  #release = () => {};
  #unwait = () => {};

  constructor(
    url: string,
    token: string | undefined,
    events: Events,
    failed: (isWanted: boolean) => void,
    became: (by: "leader" | "follower") => void,
  ) {
    this.#url = url;
    this.#token = token;
    this.#name = `cache-wasm/relay/${FORM}/${JSON.stringify([url, token])}`;
    this.#events = events;
    this.#tunnel = new Tunnel(events);
    this.#failed = failed;
    this.#became = became;
    became("follower");
  }

  begin(): void {
    if (this.#all !== undefined) return;
    this.#start();
    this.#ask();
  }

  open(): void {
    this.#tunnel.open();
    this.begin();
    if (!this.#isSeated) this.#ask();
  }

  send(bytes: Uint8Array): void {
    this.#tunnel.send(bytes);
  }

  close(code: number): void {
    this.#tunnel.close();
    // Of a tab that is gone nothing is heard: the next connection begins with whether anybody answers.
    if (code === SILENT) this.#leave();
  }

  rest(): void {
    this.#unwait();
    this.#tunnel.close();
    this.#leave();
    this.#resign();
    this.#release();
    this.#all?.close();
    this.#all = undefined;
  }

  #start(): void {
    const all = new BroadcastChannel(this.#name);
    this.#all = all;
    all.onmessage = ({ data }: MessageEvent<Word>) => {
      if (data[0] === "leads") this.#moved();
      else if (data[0] === "seat") this.#give(data[1]);
      else if (data[1] === this.#me) this.#take(data[2]);
    };
    this.#queue({});
  }

  /** Asks whoever leads for a seat. */
  #ask(): void {
    this.#unwait();
    if (this.#host !== undefined) return this.#sit(this.#host);
    this.#all?.postMessage(["seat", this.#me] satisfies Word);
    this.#unwait = later(() => this.#queue({ steal: true }), ANSWER_MS);
  }

  /** There is a seat for this tab. */
  #take(channel: string): void {
    if (this.#isSeated || this.#host !== undefined) return;
    const seat = new BroadcastChannel(channel);
    this.#seat = seat;
    seat.onmessage = ({ data }: MessageEvent<Down>) => {
      if (this.#seat !== seat) return;
      if (data[0] === "gone") this.#moved();
      else this.#tunnel.take(data);
    };
    this.#attach((up) => seat.postMessage(up));
  }

  #attach(post: (up: Up) => void): void {
    this.#unwait();
    this.#isSeated = true;
    this.#tunnel.attach(post);
  }

  /** The relay is this tab's. */
  #sit(host: RelayHost): void {
    // What it says is heard as from another tab: not within the call that brought it about.
    const seat = host.seat((down) => queueMicrotask(() => this.#host === host && this.#tunnel.take(down)));
    this.#attach((up) => seat.take(up));
  }

  /** Another tab leads: what came of the one before is over. */
  #moved(): void {
    if (this.#host !== undefined) this.#resign();
    this.#leave();
    this.#begin();
  }

  /** A connection that is wanted begins anew. */
  #begin(): void {
    if (!this.#tunnel.isWanted) return;
    this.#tunnel.close();
    this.#events.moved();
  }

  /** Gives the seat up, if there is one. */
  #leave(): void {
    this.#seat?.postMessage(["leave"] satisfies Up);
    this.#seat?.close();
    this.#seat = undefined;
    this.#isSeated = false;
    this.#tunnel.detach();
  }

  #queue(how: { steal?: boolean }): void {
    this.#release();
    const waiting = new AbortController();
    const given = new Promise<void>((resolve) => {
      this.#release = () => {
        waiting.abort();
        resolve();
      };
    });
    const { signal } = waiting;
    const held = async () => {
      await this.#lead(signal);
      await given;
    };
    navigator.locks.request(this.#name, how.steal === true ? how : { signal }, held).catch((error: unknown) => {
      if (signal.aborted) return;
      if ((error as Partial<Error>).name === "AbortError") {
        // It was taken away.
        if (this.#host !== undefined) this.#moved();
        return this.#queue({});
      }
      const { isWanted } = this.#tunnel;
      this.rest();
      this.#failed(isWanted);
    });
  }

  async #lead(signal: AbortSignal): Promise<void> {
    // @ts-ignore: written by the build beside this file's output
    const { default: start, Relay } = (await import("./relay/relay.js")) as {
      default: () => Promise<unknown>;
      Relay: new (token?: string) => RelayCore;
    };
    await start();
    if (signal.aborted) return;
    const wasSeated = this.#isSeated;
    this.#unwait();
    this.#leave();
    this.#host = new RelayHost(new Relay(this.#token), this.#url);
    this.#became("leader");
    this.#all!.postMessage(["leads"] satisfies Word);
    if (wasSeated) this.#begin();
    else this.#sit(this.#host);
  }

  /** Gives a seat to another tab, in place of any that it had. */
  #give(tab: string): void {
    if (this.#host === undefined) return;
    this.#end(tab);
    const name = `${this.#name}/${Math.random()}`;
    const channel = new BroadcastChannel(name);
    const seat = this.#host.seat((down) => channel.postMessage(down));
    channel.onmessage = ({ data }: MessageEvent<Up>) => {
      if (data[0] === "leave") this.#end(tab);
      else seat.take(data);
    };
    this.#seats.set(tab, (isGone) => {
      seat.take(["leave"]);
      if (isGone) channel.postMessage(["gone"] satisfies Down);
      channel.close();
    });
    this.#all!.postMessage(["sit", tab, name] satisfies Word);
  }

  /** A tab's seat is free again. */
  #end(tab: string): void {
    this.#seats.get(tab)?.(false);
    this.#seats.delete(tab);
  }

  #resign(): void {
    for (const end of this.#seats.values()) end(true);
    this.#seats.clear();
    this.#host?.shut();
    this.#host = undefined;
    this.#isSeated = false;
    this.#tunnel.detach();
    this.#became("follower");
  }
}
