/** The only file that names WebSocket: at most one is open, and a closed one is heard no more. */

import type { WebSocketConstructor, WebSocketLike } from "./types.js";

/** The subprotocol of frames in postcard. */
const SUBPROTOCOL = "coherence.v1+postcard";

/** The platform's own, where it has one. */
export const PLATFORM = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;

/** Where the stream of the server at `base` is. */
export function addressOf(base: string): string {
  return `${base.replace(/^http/, "ws")}/v1/stream`;
}

export interface SocketEvents {
  opened(): void;
  message(bytes: Uint8Array): void;
  closed(code: number | undefined): void;
}

/** What brings a stream's frames. */
export interface Transport {
  /** Opens a connection, in place of any other. */
  open(): void;
  send(bytes: Uint8Array): void;
  close(code: number, reason: string): void;
}

export class Socket implements Transport {
  readonly #url: string;
  readonly #create: WebSocketConstructor;
  readonly #events: SocketEvents;
  #current: WebSocketLike | undefined;

  constructor(url: string, events: SocketEvents, create = PLATFORM!) {
    this.#url = url;
    this.#create = create;
    this.#events = events;
  }

  open(): void {
    this.close(1000, "replaced");
    const socket = new this.#create(this.#url, SUBPROTOCOL);
    this.#current = socket;
    socket.binaryType = "arraybuffer";
    const ifCurrent = (act: () => void) => {
      if (this.#current === socket) act();
    };
    socket.onopen = () => ifCurrent(() => this.#events.opened());
    socket.onmessage = (event: { data: unknown }) =>
      ifCurrent(() => {
        // A text message is not of this subprotocol; its bytes are refused by the core, which says so.
        const { data } = event;
        this.#events.message(data instanceof ArrayBuffer ? new Uint8Array(data) : new TextEncoder().encode(String(data)));
      });
    socket.onclose = (event: { code?: number }) =>
      ifCurrent(() => {
        this.#current = undefined;
        this.#events.closed(event.code);
      });
    // Every error is followed by a close, which says more.
    socket.onerror = () => {};
  }

  send(bytes: Uint8Array): void {
    this.#current?.send(bytes);
  }

  close(code: number, reason: string): void {
    const socket = this.#current;
    this.#current = undefined;
    // Reasons are at most 123 bytes of UTF-8; ours are ASCII.
    socket?.close(code, reason.slice(0, 120));
  }
}
