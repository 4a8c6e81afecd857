/**
 * Apollo Client, by its core: an `ObservableQuery` is what `useQuery` is made of.
 *
 * - Invalidations by `refetchQueries`: `updateCache` evicts the field, and `include` names the query, so that an active one is
 *   refetched whose first answer is still on its way and of which the cache holds nothing yet:
 *   https://www.apollographql.com/docs/react/data/refetching
 *   https://www.apollographql.com/docs/react/caching/garbage-collection#cacheevict
 *   There are no tags and no prefixes: the application evicts the fields it knows, by their arguments.
 * - A pushed value by `writeQuery`: https://www.apollographql.com/docs/react/caching/cache-interaction
 * - Everything by `resetStore`, which empties the cache and refetches what is active:
 *   https://www.apollographql.com/docs/react/networking/authentication#reset-store-on-logout
 * - The second column turns off `queryDeduplication`, by which a refetch joins the request that is in flight:
 *   https://www.apollographql.com/docs/react/api/core/ApolloClient
 *   That it does so is known: https://github.com/apollographql/apollo-client/issues/13429
 */

import { ApolloClient, ApolloLink, gql, InMemoryCache, Observable } from "@apollo/client";

/** @import { Column } from "./scenario.mjs" */

const QUERY = gql`
  query Value($key: String!) {
    value(key: $key)
  }
`;

/** @type {(name: string, queryDeduplication: boolean) => Column} */
const column = (name, queryDeduplication) => ({
  name,
  from: "@apollo/client",
  canMount: true,
  open(origin, { key }) {
    // As its HttpLink does: who unsubscribes ends the request.
    const link = new ApolloLink(
      () =>
        new Observable((subscriber) => {
          const controller = new AbortController();
          origin.read(controller.signal).then(
            ({ version }) => {
              subscriber.next({ data: { value: version } });
              subscriber.complete();
            },
            (error) => subscriber.error(error),
          );
          return () => controller.abort();
        }),
    );
    const cache = new InMemoryCache();
    const client = new ApolloClient({ cache, link, queryDeduplication });
    const query = { query: QUERY, variables: { key } };
    const versionOf = (/** @type {any} */ data) => /** @type {number | undefined} */ (data?.value);
    const invalidate = () => {
      const updateCache = () => void cache.evict({ id: "ROOT_QUERY", fieldName: "value", args: { key } });
      // Not awaited: it ends with the refetch.
      client.refetchQueries({ updateCache, include: [QUERY] }).catch(() => {});
    };
    return {
      ask: ({ given, failed }) => void client.query(query).then(({ data }) => given(versionOf(data)), failed),
      refresh: ({ given, failed }) =>
        void client.query({ ...query, fetchPolicy: "network-only" }).then(({ data }) => given(versionOf(data)), failed),
      mount({ given, failed }) {
        const observable = client.watchQuery(query);
        observable.subscribe({ next: ({ data }) => given(versionOf(data)), error: failed });
        // It has no such mark.
        return { current: () => versionOf(observable.getCurrentResult().data), isMarked: () => false };
      },
      isMarked: () => false,
      tell: {
        invalidation: invalidate,
        tag: invalidate,
        scope: invalidate,
        push: (version) => void client.writeQuery({ ...query, data: { value: version } }),
        reset: () => void client.resetStore().catch(() => {}),
      },
      close: () => client.stop(),
    };
  },
});

export default [column("Apollo Client", true), column("Apollo Client, no deduplication", false)];
