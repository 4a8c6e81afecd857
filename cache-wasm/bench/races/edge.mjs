/**
 * The edge server's end of one connection, as far as the races need it: one followed scope, and frames in postcard as
 * wire/README.md has them.
 */

const LEASE_MS = 10_000;
const encoder = new TextEncoder();

/** @type {(value: number) => number[]} */
const number = (value) => (value < 128 ? [value] : [(value % 128) + 128, ...number(Math.floor(value / 128))]);

/** @param {string} value */
function text(value) {
  const bytes = [...encoder.encode(value)];
  return [...number(bytes.length), ...bytes];
}

/** @param {string[]} names */
const texts = (names) => [...number(names.length), ...names.flatMap(text)];

export class Edge {
  /** @type {{ onmessage: ((event: any) => void) | null } | undefined} */
  #socket;
  /** The newest of the client's stamps. */
  #stamp = 0;
  #sub = 0;

  /** @param {string} position Where the stream starts, as `epoch:offset`. */
  constructor(position) {
    const edge = this;
    /** The `WebSocket` that leads here. */
    this.WebSocket = class {
      binaryType = "blob";
      /** @type {((event: any) => void) | null} */
      onopen = null;
      /** @type {((event: any) => void) | null} */
      onmessage = null;
      onclose = null;
      onerror = null;

      constructor() {
        edge.#socket = this;
        queueMicrotask(() => {
          this.onopen?.({});
          edge.#send([0, 1, ...number(2_000), ...number(LEASE_MS), ...number(65_536), ...number(256), ...number(1_000)]);
        });
      }

      /** @param {Uint8Array} frame */
      send(frame) {
        edge.#heard(frame, position);
      }

      close() {}
    };
  }

  /**
   * Commits happened, up to this offset: a key's, as an item says that is a value or none; of everything under a scope; of
   * everything with a tag.
   *
   * @param {number} to
   * @param {{ key?: string, value?: unknown, scopes?: string[], tags?: string[] }} what
   */
  change(to, { key, value, scopes = [], tags = [] }) {
    const body = value === undefined ? [0] : [1, 0, 0, ...text(JSON.stringify(value))];
    const items = key === undefined ? [0] : [1, ...text(key), ...number(to), ...body];
    this.#send([2, 1, 1, ...number(to), ...items, ...texts(scopes), ...texts(tags)]);
    this.#beat(to);
  }

  /** The stream cannot be continued: it goes on in another epoch. */
  reset() {
    this.#send([4, 1, 2, 1, ...text("another epoch")]);
    this.#beat(1);
  }

  /**
   * @param {Uint8Array} frame
   * @param {string} position
   */
  #heard(frame, position) {
    let at = 0;
    /** @type {() => number} */
    const next = () => {
      const byte = frame[at++] ?? 0;
      return byte < 128 ? byte : byte - 128 + 128 * next();
    };
    const kind = next();
    if (kind !== 1) return;
    this.#sub = next();
    at += next();
    at += 1;
    this.#stamp = next();
    const [epoch, offset] = position.split(":").map(Number);
    queueMicrotask(() => {
      this.#send([1, ...number(this.#sub), 1, ...number(epoch ?? 0), ...number(offset ?? 0), 0]);
      this.#beat(offset ?? 0);
    });
  }

  /** @param {number} to */
  #beat(to) {
    this.#send([5, 1, ...number(this.#stamp), 1, 1, ...number(to), ...number(to)]);
  }

  /** @param {number[]} bytes */
  #send(bytes) {
    this.#socket?.onmessage?.({ data: new Uint8Array(bytes).buffer });
  }
}
