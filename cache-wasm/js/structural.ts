/** Structural sharing: what is equal in two versions of a JSON value is one object, so that `===` says what changed. */

/** Nested deeper than this, the rest is taken as it is. */
const DEEPEST = 500;

/** `after`, with the parts of `before` that equal its own; `before` itself when all of it does. Neither is changed. */
export function shareEqual(before: unknown, after: unknown, depth = 0): unknown {
  if (Object.is(before, after)) return before;
  if (typeof before !== "object" || typeof after !== "object" || before === null || after === null) return after;
  const isArray = Array.isArray(after);
  if (isArray !== Array.isArray(before) || depth >= DEEPEST) return after;
  const old = before as Record<string, unknown>;
  const names = Object.keys(after);
  let isEqual = Object.keys(old).length === names.length;
  // Entries, because an own property may be called `__proto__`.
  const shared = names.map((name): [string, unknown] => {
    const member = (after as Record<string, unknown>)[name];
    const had = Object.hasOwn(old, name);
    const value = had ? shareEqual(old[name], member, depth + 1) : member;
    isEqual &&= had && Object.is(value, old[name]);
    return [name, value];
  });
  if (isEqual) return before;
  return isArray ? shared.map(([, value]) => value) : Object.fromEntries(shared);
}
