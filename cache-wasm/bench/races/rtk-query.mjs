/**
 * RTK Query, without hooks: https://redux-toolkit.js.org/rtk-query/usage/usage-without-react-hooks. An observer is a
 * subscription by `initiate` and a selector, which is what `useQuery` is made of; who only asks does so as `prefetch` does,
 * with `subscribe: false`.
 *
 * - Invalidations by tags, of which a value provides its own, its prefix's and its label's; all are known beforehand:
 *   https://redux-toolkit.js.org/rtk-query/usage/automated-refetching, and `util.invalidateTags`
 * - `invalidationBehavior` is its default, `delayed`, which was made for invalidations while queries run:
 *   https://redux-toolkit.js.org/rtk-query/api/createApi#invalidationbehavior
 * - A pushed value by `util.upsertQueryData`, which creates or replaces an entry:
 *   https://redux-toolkit.js.org/rtk-query/usage/manual-cache-updates
 *   That what is in flight overwrites it is known: https://github.com/reduxjs/redux-toolkit/issues/4271
 * - Everything: the tag that all values provide. (`util.resetApiState` forgets subscriptions too: who is mounted would not ask
 *   again.)
 */

import { configureStore } from "@reduxjs/toolkit";
import { createApi } from "@reduxjs/toolkit/query";

/** @import { Column } from "./scenario.mjs" */

/** @type {Column} */
const column = {
  name: "RTK Query",
  from: "@reduxjs/toolkit",
  canMount: true,
  open(origin, { key, scope, tag }) {
    const api = createApi({
      baseQuery: async (_key, { signal }) => ({ data: (await origin.read(signal)).version }),
      tagTypes: ["Value", "Scope", "Label"],
      endpoints: (build) => ({
        value: build.query({
          query: (/** @type {string} */ key) => key,
          providesTags: [{ type: "Value", id: key }, { type: "Scope", id: scope }, { type: "Label", id: tag }],
        }),
      }),
    });
    const store = configureStore({
      reducer: { [api.reducerPath]: api.reducer },
      middleware: (defaults) => defaults().concat(api.middleware),
    });
    const { initiate, select } = api.endpoints.value;
    const current = () => /** @type {number | undefined} */ (select(key)(/** @type {any} */ (store.getState())).data);
    /** @param {import("@reduxjs/toolkit/query").TagDescription<"Value" | "Scope" | "Label">} tag */
    const invalidate = (tag) => void store.dispatch(api.util.invalidateTags([tag]));
    return {
      ask: ({ given, failed }) =>
        void store.dispatch(initiate(key, { subscribe: false })).unwrap().then(given, failed),
      refresh: ({ given, failed }) =>
        void store.dispatch(initiate(key, { subscribe: false, forceRefetch: true })).unwrap().then(given, failed),
      mount({ given }) {
        store.subscribe(() => given(current()));
        void store.dispatch(initiate(key));
        // It has no such mark.
        return { current, isMarked: () => false };
      },
      isMarked: () => false,
      tell: {
        invalidation: () => invalidate({ type: "Value", id: key }),
        tag: () => invalidate({ type: "Label", id: tag }),
        scope: () => invalidate({ type: "Scope", id: scope }),
        push: (version) => void store.dispatch(api.util.upsertQueryData("value", key, version)),
        reset: () => invalidate("Value"),
      },
      close: () => void store.dispatch(api.util.resetApiState()),
    };
  },
};

export default [column];
