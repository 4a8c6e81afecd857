/** Which rows of a long list are in sight. Pure. */

export interface Sight {
  first: number;
  /** One past the last. */
  end: number;
}

/** Rows drawn beyond either edge, so that a quick scroll does not show blanks. */
const BEYOND = 6;

export function inSight(scrollTop: number, height: number, rowHeight: number, count: number): Sight {
  const top = Math.floor(scrollTop / rowHeight);
  const visible = Math.ceil(height / rowHeight) + 1;
  const first = Math.max(0, Math.min(top, count - visible) - BEYOND);
  return { first, end: Math.min(count, first + visible + 2 * BEYOND) };
}
