/** What latency.mjs measures in a page: see there. Values are `{"at": ms}`, when they were due to be committed. */

const CATEGORY = "props";
const SCOPE = "sport:bench:props:";

/** Times since 1970, by the page's finest clock. */
const now = () => performance.timeOrigin + performance.now();
const heard = [];
let stop = () => {};

export { now };

/** Follows, and returns when the stream is live. */
export async function follow(contender, url) {
  stop = await contenders[contender](url, (at) => heard.push(now() - at));
}

/** What was heard since, in milliseconds from when each value was due. */
export const take = () => heard.splice(0);
export const end = () => stop();

const contenders = {
  /** As an application does it: the listener reads what changed from the cache. */
  "this cache": async (url, note) => {
    const { createCache } = await import("../dist/index.js");
    const cache = await createCache({ url, categories: { [CATEGORY]: { max: 5_000 } } });
    const live = new Promise((resolve) => cache.on("stream", (state) => state === "live" && resolve()));
    cache.subscribe(
      SCOPE,
      ({ values }) => {
        for (const key of values) {
          const value = cache.get(CATEGORY, key);
          if (value === undefined) throw new Error(`${key} was announced and cannot be read`);
          note(value.at);
        }
      },
      { category: CATEGORY },
    );
    await live;
    // Nothing hits before the server has vouched.
    while (cache.stats().stream.subscriptions.some(({ live }) => !live)) await new Promise((r) => setTimeout(r, 10));
    return () => cache.close();
  },
  /** The least that a page could do: it parses and looks at the values, and keeps nothing. */
  "a bare WebSocket": (url, note) =>
    new Promise((resolve) => {
      const socket = new WebSocket(`${url.replace("http", "ws")}/v1/stream`, "coherence.v1+json");
      const say = (frame) => socket.send(JSON.stringify(frame));
      socket.onopen = () => say({ hello: { token: null, values: true } });
      socket.onmessage = ({ data }) => {
        const frame = JSON.parse(data);
        if (frame.welcome) say({ sub: { id: 1, scope: SCOPE, since: null, stamp: 1 } });
        else if (frame.sub_ok) resolve(() => socket.close());
        else if (frame.hb) say({ pong: { stamp: 1 } });
        else for (const { body } of frame.change.change.items) note(body.value.payload.at);
      };
    }),
};
