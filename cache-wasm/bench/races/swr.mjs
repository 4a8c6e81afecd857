/**
 * SWR, by its hook in React components that are really mounted. A library of hooks has no other readers: who asks is a
 * component, and where nothing is mounted it is one that left while its answer was on its way, as at a change of route.
 *
 * - Invalidations by `mutate(key)` and, of a prefix, a tag or everything, by a filter: https://swr.vercel.app/docs/mutation
 *   There are no tags: the application filters the keys it knows under one.
 * - A pushed value by `mutate(key, value, { revalidate: false })`: the same page. What is pushed need not be asked for.
 * - By default each component that mounts asks again, and shows what is held meanwhile. The second column has
 *   `useSWRImmutable`, for what is fresh until it is told otherwise: https://swr.vercel.app/docs/revalidation
 *   A refresh of such a value is a `mutate(key)`, which is for what is mounted. The third column also takes away what is held,
 *   as the page on mutation does to clear the cache, for `mutate(key)` leaves alone what is not mounted:
 *   https://github.com/vercel/swr/issues/2964
 * - `dedupingInterval` is its default, and over before one reads again.
 */

import { createElement, useEffect } from "react";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import useSWR, { SWRConfig, useSWRConfig } from "swr";
import useSWRImmutable from "swr/immutable";

/** @import { Column, Listener } from "./scenario.mjs" */

const DEDUPING_INTERVAL_MS = 2_000;

const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

/** @type {(name: string, use: typeof useSWR, voids?: boolean) => Column} */
const column = (name, use, voids = false) => ({
  name,
  from: "swr",
  canMount: true,
  rest: DEDUPING_INTERVAL_MS + 100,
  async open(origin, { key, scope }, isMounted) {
    const held = new Map();
    const config = {
      provider: () => held,
      fetcher: async () => (await origin.read()).version,
      dedupingInterval: DEDUPING_INTERVAL_MS,
    };
    const root = createRoot(document.createElement("div"));
    /** @type {import("swr").ScopedMutator} */
    let mutate;
    /** @type {Map<Listener, string>} */
    const readers = new Map();
    /** What each component shows. @type {Map<Listener, number | undefined>} */
    const shown = new Map();

    /** @param {{ listener: Listener }} props */
    function Reader({ listener }) {
      const { data, error } = use(key);
      useEffect(() => {
        shown.set(listener, data);
        if (data !== undefined) listener.given(data);
      }, [data]);
      useEffect(() => {
        if (error !== undefined) listener.failed(error);
      }, [error]);
      return null;
    }
    function Application() {
      mutate = useSWRConfig().mutate;
      return [...readers].map(([listener, name]) => createElement(Reader, { key: name, listener }));
    }
    const render = () => flushSync(() => root.render(createElement(SWRConfig, { value: config }, createElement(Application))));
    let mounted = 0;
    /** @param {Listener} listener */
    const mount = async (listener) => {
      readers.set(listener, `reader-${mounted++}`);
      render();
      // A component that finds a value asks in the frame after.
      for (let i = 0; i < 3; i++) await frame();
    };
    /** @param {Listener} listener */
    const leave = (listener) => {
      readers.delete(listener);
      render();
      listener.left();
    };
    /** @param {Listener} listener */
    const ask = async (listener) => {
      await mount(listener);
      if (!isMounted) leave(listener);
    };
    render();
    /** @param {import("swr").Arguments | ((key?: import("swr").Arguments) => boolean)} what */
    const invalidate = (what) => void (voids ? mutate(what, undefined) : mutate(what));
    return {
      ask,
      refresh: async (listener) => {
        if (!isMounted) await mount(listener);
        if (isMounted || use === useSWRImmutable) mutate(key).then(listener.given, listener.failed);
        if (!isMounted) leave(listener);
      },
      mount: async (listener) => {
        await mount(listener);
        return { current: () => shown.get(listener), isMarked: () => false };
      },
      remount: mount,
      isMarked: () => false,
      tell: {
        invalidation: () => invalidate(key),
        tag: () => invalidate((each) => each === key),
        scope: () => invalidate((each) => typeof each === "string" && each.startsWith(scope)),
        push: (version) => void mutate(key, version, { revalidate: false }),
        reset: () => invalidate(() => true),
      },
      close: () => root.unmount(),
    };
  },
});

export default [
  column("SWR", useSWR),
  column("SWR, immutable", useSWRImmutable),
  column("SWR, immutable, cleared", useSWRImmutable, true),
];
