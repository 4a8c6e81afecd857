import type { WebSocketLike } from "cache-wasm";

/** A WebSocket that does what the test says. */
export class StubSocket implements WebSocketLike {
  static all: StubSocket[] = [];

  binaryType = "blob";
  onopen: WebSocketLike["onopen"] = null;
  onmessage: WebSocketLike["onmessage"] = null;
  onclose: WebSocketLike["onclose"] = null;
  onerror: WebSocketLike["onerror"] = null;
  readonly sent: Uint8Array[] = [];
  /** What the cache closed it with. */
  closed: [code?: number, reason?: string] | undefined;

  constructor(
    readonly url: string,
    readonly protocols?: string | string[],
  ) {
    StubSocket.all.push(this);
  }

  send(data: Uint8Array): void {
    this.sent.push(data);
  }

  close(code?: number, reason?: string): void {
    this.closed = [code, reason];
  }

  open(): void {
    this.onopen?.({});
  }

  /** The connection is lost, or the server closes it. */
  lose(code = 1006): void {
    this.onerror?.({});
    this.onclose?.({ code });
  }
}
