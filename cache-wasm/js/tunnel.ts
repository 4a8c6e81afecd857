/** A tab's end of a shared connection: to the stream it is a socket. */

import type { Down, Up } from "./relay-host.js";
import type { SocketEvents, Transport } from "./socket.js";

/** What was processed is said at the latest after so many bytes, so that no more wait than the relay allows. */
const PROCESSED_BYTES = 64 * 1024;

export interface TunnelEvents extends SocketEvents {
  /** This tab cannot share. */
  alone(): void;
  /** So many tabs share. */
  tabs(count: number): void;
}

export class Tunnel implements Transport {
  readonly #events: TunnelEvents;
  #post: ((up: Up) => void) | undefined;
  /** The number of the connection that is wanted or there; 0 for none. */
  #connection = 0;
  #last = 0;
  #messages = 0;
  #bytes = 0;

  constructor(events: TunnelEvents) {
    this.#events = events;
  }

  /** Whether a connection is wanted or there. */
  get isWanted(): boolean {
    return this.#connection !== 0;
  }

  /** There is a relay, and what is sent to it goes this way. A connection that is wanted is opened. */
  attach(post: (up: Up) => void): void {
    this.#post = post;
    if (this.#connection !== 0) post(["open", this.#connection]);
  }

  /** There is no relay any more. */
  detach(): void {
    this.#post = undefined;
  }

  open(): void {
    this.close();
    this.#connection = ++this.#last;
    this.#messages = this.#bytes = 0;
    this.#post?.(["open", this.#connection]);
  }

  send(bytes: Uint8Array): void {
    if (this.#connection === 0) return;
    this.#post?.(["send", this.#connection, bytes, this.#messages, this.#bytes]);
    this.#messages = this.#bytes = 0;
  }

  close(): void {
    const connection = this.#connection;
    this.#connection = 0;
    if (connection !== 0) this.#post?.(["close", connection]);
  }

  take(down: Down): void {
    switch (down[0]) {
      case "ready":
      case "gone":
        break;
      case "tabs":
        this.#events.tabs(down[1]);
        break;
      default:
        if (down[1] === this.#connection) this.#hear(down);
    }
  }

  #hear(down: Exclude<Down, ["ready"] | ["gone"] | ["tabs", number]>): void {
    switch (down[0]) {
      case "opened":
        this.#events.opened();
        break;
      case "message": {
        const [, connection, bytes] = down;
        this.#messages++;
        this.#bytes += bytes.length;
        this.#events.message(bytes);
        if (this.#bytes < PROCESSED_BYTES || connection !== this.#connection) break;
        this.#post?.(["processed", connection, this.#messages, this.#bytes]);
        this.#messages = this.#bytes = 0;
        break;
      }
      case "closed":
        this.#connection = 0;
        this.#events.closed(down[2]);
        break;
      case "alone":
        this.#connection = 0;
        this.#events.alone();
        break;
    }
  }
}
