/**
 * Follows scopes over a connection of its own, in the protocol's JSON, so that what the cache says is held against what
 * another client was told. It has the cursor rule in three lines and no more of a client: whatever it cannot follow it
 * reports as lost.
 */

import { WebSocket } from "ws";

/**
 * @param {string} url the server
 * @param {string[]} scopes what to follow
 * @param {{ changed(key, epoch, version, value): void, lost(scope: string): void, closed(code: number): void }} to
 * @returns what ends it
 */
export function follow(url, scopes, to) {
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}/v1/stream`, "coherence.v1+json");
  /** By the server's number: the scope, the epoch, and how far it was followed. */
  const streams = new Map();
  const send = (name, fields) => socket.send(JSON.stringify({ [name]: fields }));
  const stamp = () => Math.floor(performance.now());

  socket.on("open", () => {
    send("hello", { token: null, values: true });
    scopes.forEach((scope, id) => send("sub", { id, scope, since: null, stamp: stamp() }));
  });
  socket.on("message", (data) => {
    const [[name, frame]] = Object.entries(JSON.parse(data.toString()));
    if (name === "sub_ok") {
      streams.set(frame.sid, { scope: scopes[frame.id], epoch: frame.epoch, cursor: frame.offset });
    } else if (name === "reset") {
      const stream = streams.get(frame.sid);
      Object.assign(stream, { epoch: frame.epoch, cursor: frame.offset });
      to.lost(stream.scope);
    } else if (name === "change") {
      changed(streams.get(frame.sid), frame.change);
    } else if (name === "hb") {
      for (const [sid, span] of frame.subs) pass(streams.get(sid), span);
      send("pong", { stamp: stamp() });
    }
  });
  socket.on("close", (code) => to.closed(code));
  socket.on("error", () => {});

  /** Whether a range holds anything new; a hole is told. */
  function pass(stream, { from, to: end }) {
    if (from > stream.cursor) to.lost(stream.scope);
    const isNew = end > stream.cursor;
    stream.cursor = Math.max(stream.cursor, end);
    return isNew;
  }

  function changed(stream, { span, items, scopes: purged, tags }) {
    if (!pass(stream, span)) return;
    if (tags.length > 0) to.lost(stream.scope);
    for (const scope of purged) to.lost(scope);
    for (const { key, version, body } of items) {
      const value = body === "gone" ? null : body === "changed" ? undefined : JSON.stringify(body.value.payload);
      to.changed(key, stream.epoch, version, value);
    }
  }
  return () => socket.close(1000);
}
