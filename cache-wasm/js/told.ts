/**
 * What the application tells by itself: values and invalidations that it heard of over a socket of its own. They fence what
 * is in flight as the frames of a followed stream do.
 */

import { checkAnswer, checkInvalidation, text, texts } from "./arguments.js";
import type { Category } from "./category.js";
import { jsonSize } from "./check.js";
import { CacheError } from "./errors.js";
import type { Mirror } from "./mirror.js";
import { toJson } from "./source.js";
import type { AppliedItems, Invalidation, ToldItem } from "./types.js";

/** Takes values, each on its own. */
export function apply(mirror: Mirror, into: Category, items: Iterable<ToldItem>): AppliedItems {
  const { core } = mirror;
  if (typeof (items as Partial<typeof items> | null)?.[Symbol.iterator] !== "function") {
    throw new CacheError("argument", `the items must be a list, not ${items === null ? "null" : typeof items}`);
  }
  const result: AppliedItems = { applied: 0, older: [], refused: [] };
  for (const item of items) {
    const { key, value, ...rest } = Object(item) as ToldItem;
    try {
      const { version, ttl, tags } = checkAnswer(rest);
      text("key", key);
      if (value !== undefined) jsonSize(key, value);
      const json = value === undefined ? undefined : toJson(key, value);
      const slot = mirror.change((now) => core.apply(into.id, key, json, version, ttl, tags, now));
      if (slot === undefined) result.older.push(key);
      else result.applied++;
    } catch (error) {
      if (!(error instanceof CacheError) || error.code !== "argument") throw error;
      result.refused.push({ key, message: error.message });
    }
  }
  mirror.news.tell();
  return result;
}

/** Invalidates; `categoryOf` finds a category by its name. */
export function invalidate(mirror: Mirror, what: Invalidation, categoryOf: (name: string) => Category): void {
  const { core } = mirror;
  checkInvalidation(what);
  const { version } = what;
  const keys = texts("key", what.keys ?? []);
  const tags = texts("tag", what.tags ?? []);
  const scope = what.scope === undefined ? undefined : text("scope", what.scope);
  const category = what.category === undefined ? undefined : categoryOf(what.category);
  mirror.change(() => {
    for (const key of keys) {
      if (version === undefined) core.invalidateKey(key);
      else core.invalidateVersion(key, version);
    }
    if (scope !== undefined) core.invalidateScope(scope);
    for (const tag of tags) core.invalidateTag(tag);
    if (category !== undefined) core.clear(category.id);
  });
  mirror.news.tell();
}
