/**
 * TanStack Query, by its core: `QueryObserver` is what its hooks are made of.
 *
 * - `staleTime: Infinity`, so that what is fresh is decided by what is pushed and not by the clock, as
 *   https://tkdodo.eu/blog/using-web-sockets-with-react-query advises (its documentation's community resources name it).
 * - Invalidations by key, by prefix (keys are hierarchical), by predicate over `meta` and of everything:
 *   https://tanstack.com/query/latest/docs/framework/react/guides/query-invalidation
 *   https://tanstack.com/query/latest/docs/framework/react/guides/filters
 *   There are no tags: a predicate over `meta`, which the query has from the start, is what comes nearest.
 * - A pushed value by `setQueryData`. Its documentation has `cancelQueries` before it where the update is optimistic:
 *   https://tanstack.com/query/latest/docs/framework/react/guides/optimistic-updates
 *   The second column does that before everything it tells.
 * - The third has the default `staleTime`, with which all that is held is stale from the start, and each read asks again.
 * - The query function passes its signal on: https://tanstack.com/query/latest/docs/framework/react/guides/query-cancellation
 * - That an invalidation during the first fetch is lost is known, and discussed: https://github.com/TanStack/query/issues/8530,
 *   https://github.com/TanStack/query/issues/11526
 */

import { QueryClient, QueryObserver } from "@tanstack/query-core";

/** @import { Column } from "./scenario.mjs" */

/** @type {(name: string, options?: { cancels?: boolean, staleTime?: number }) => Column} */
const column = (name, { cancels = false, staleTime = Infinity } = {}) => ({
  name,
  from: "@tanstack/query-core",
  canMount: true,
  open(origin, { key, scope, tag }) {
    const client = new QueryClient({ defaultOptions: { queries: { staleTime } } });
    client.mount();
    const options = {
      queryKey: key.split(":"),
      queryFn: async (/** @type {{ signal: AbortSignal }} */ { signal }) => (await origin.read(signal)).version,
      meta: { tags: [tag] },
    };
    const { queryKey } = options;
    /** @param {import("@tanstack/query-core").InvalidateQueryFilters} [filters] */
    const invalidate = async (filters) => {
      if (cancels) await client.cancelQueries(filters);
      // Not awaited: it ends with the refetch.
      void client.invalidateQueries(filters);
    };
    return {
      ask: ({ given, failed }) => void client.fetchQuery(options).then(given, failed),
      refresh: ({ given, failed }) => void client.fetchQuery({ ...options, staleTime: 0 }).then(given, failed),
      mount({ given }) {
        const observer = new QueryObserver(client, options);
        observer.subscribe(({ data }) => given(data));
        return {
          current: () => observer.getCurrentResult().data,
          isMarked: () => observer.getCurrentResult().isStale,
        };
      },
      isMarked: () => client.getQueryState(queryKey)?.isInvalidated === true,
      tell: {
        invalidation: () => invalidate({ queryKey, exact: true }),
        tag: () => invalidate({ predicate: ({ meta }) => /** @type {any} */ (meta)?.tags?.includes(tag) === true }),
        scope: () => invalidate({ queryKey: scope.split(":").slice(0, -1) }),
        push: async (version) => {
          if (cancels) await client.cancelQueries({ queryKey, exact: true });
          client.setQueryData(queryKey, version);
        },
        reset: () => invalidate(),
      },
      close: () => {
        client.unmount();
        client.clear();
      },
    };
  },
});

export default [
  column("TanStack Query"),
  column("TanStack Query, cancelled first", { cancels: true }),
  column("TanStack Query, staleTime 0", { staleTime: 0 }),
];
