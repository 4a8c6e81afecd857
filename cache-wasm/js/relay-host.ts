/**
 * Runs a relay for the tabs of a url and a token: one socket to the server, and a seat for each tab. What happens to the
 * frames is decided in `relay/src`; here they are carried. It runs in the SharedWorker and in a tab that leads.
 */

import { Socket } from "./socket.js";
import { Clock } from "./timers.js";

type Output =
  | ["connect"]
  | ["send", Uint8Array]
  | ["disconnect", number, string]
  | ["opened", number]
  | ["message", number, Uint8Array]
  | ["closed", number, number | undefined]
  | ["alone", number];

/** The relay's methods; see `relay/src/bindings.rs` for what each does. */
export interface RelayCore {
  poll(): Output | undefined;
  join(tab: number, now: number): void;
  leave(tab: number, now: number): void;
  acknowledged(tab: number, messages: number, bytes: number): void;
  tabMessage(tab: number, bytes: Uint8Array, now: number): void;
  opened(now: number): void;
  message(bytes: Uint8Array, now: number): void;
  closed(code: number | undefined): void;
  free(): void;
}

/** The form of what tabs and relays say to each other: those of two versions of the package do not share. */
export const FORM = 1;

/** Each connection of a tab has a number of its own; what is said of an earlier one is not heard. */
export type Up =
  | ["open", number]
  /** With it, what was processed since the last word: messages, and bytes of them. */
  | ["send", number, Uint8Array, number, number]
  | ["processed", number, number, number]
  | ["close", number]
  | ["leave"];

export type Down =
  /** There is a relay at the other end, and no connection. */
  | ["ready"]
  | ["opened", number]
  | ["message", number, Uint8Array]
  | ["closed", number, number | undefined]
  /** This tab cannot share. */
  | ["alone", number]
  /** So many tabs share. */
  | ["tabs", number]
  /** The relay is no more. */
  | ["gone"];

/** A tab's place. */
export interface Seat {
  take(up: Up): void;
}

interface Place {
  post(down: Down): void;
  /** The relay's number of its connection, and its own. */
  tab: number | undefined;
  connection: number;
}

export class RelayHost {
  readonly #relay: RelayCore;
  readonly #socket: Socket;
  readonly #clock = new Clock();
  readonly #places = new Set<Place>();
  readonly #byTab = new Map<number, Place>();
  #lastTab = 0;

  constructor(relay: RelayCore, url: string) {
    this.#relay = relay;
    this.#socket = new Socket(url, {
      opened: () => this.#do((now) => relay.opened(now)),
      message: (bytes) => this.#do((now) => relay.message(bytes, now)),
      closed: (code) => this.#do(() => relay.closed(code)),
    });
  }

  /** A place for one more tab, which is told so. */
  seat(post: (down: Down) => void): Seat {
    const place: Place = { post, tab: undefined, connection: 0 };
    this.#places.add(place);
    post(["ready"]);
    return { take: (up) => this.#take(place, up) };
  }

  /** Ends: whoever has a seat hears that the connection is lost. */
  shut(): void {
    this.#do(() => this.#relay.closed(undefined));
    this.#socket.close(1000, "another tab leads");
    this.#places.clear();
    this.#relay.free();
  }

  #take(place: Place, up: Up): void {
    if (!this.#places.has(place)) return;
    if (up[0] === "open") return this.#open(place, up[1]);
    if (up[0] === "leave") {
      this.#places.delete(place);
      return this.#close(place);
    }
    const { tab, connection } = place;
    if (tab === undefined || up[1] !== connection) return;
    switch (up[0]) {
      case "send":
        this.#do((now) => {
          this.#relay.acknowledged(tab, up[3], up[4]);
          this.#relay.tabMessage(tab, up[2], now);
        });
        break;
      case "processed":
        this.#relay.acknowledged(tab, up[2], up[3]);
        break;
      case "close":
        this.#close(place);
        break;
    }
  }

  #open(place: Place, connection: number): void {
    this.#close(place);
    const tab = ++this.#lastTab;
    Object.assign(place, { tab, connection });
    this.#byTab.set(tab, place);
    this.#count();
    this.#do((now) => this.#relay.join(tab, now));
  }

  #close(place: Place): void {
    const { tab } = place;
    if (tab === undefined) return;
    this.#forget(tab);
    this.#do((now) => this.#relay.leave(tab, now));
  }

  #forget(tab: number): Place | undefined {
    const place = this.#byTab.get(tab);
    this.#byTab.delete(tab);
    if (place !== undefined) place.tab = undefined;
    this.#count();
    return place;
  }

  #count(): void {
    for (const { post } of this.#byTab.values()) post(["tabs", this.#byTab.size]);
  }

  #do(call: (now: number) => void): void {
    call(this.#clock.now());
    for (let output = this.#relay.poll(); output !== undefined; output = this.#relay.poll()) {
      switch (output[0]) {
        case "connect":
          this.#socket.open();
          break;
        case "send":
          this.#socket.send(output[1]);
          break;
        case "disconnect":
          this.#socket.close(output[1], output[2]);
          break;
        case "opened": {
          const place = this.#byTab.get(output[1]);
          place?.post(["opened", place.connection]);
          break;
        }
        case "message": {
          const place = this.#byTab.get(output[1]);
          place?.post(["message", place.connection, output[2]]);
          break;
        }
        case "closed": {
          const place = this.#forget(output[1]);
          place?.post(["closed", place.connection, output[2]]);
          break;
        }
        case "alone": {
          const place = this.#forget(output[1]);
          place?.post(["alone", place.connection]);
          break;
        }
      }
    }
  }
}
