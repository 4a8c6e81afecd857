/** The table of props: only the rows in sight are in the document. */
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Page } from "../page";
import { COLUMNS, type Column, sortedBy } from "./order";
import { RowView } from "./row-view";
import { COLUMN_TITLES } from "./toolbar";
import { inSight } from "./window";

/** How a row fits into the board's width: all columns, all but the trend, or two lines. Heights are in pixels. */
type Fit = "wide" | "tight" | "narrow";
const ROW_HEIGHT: Record<Fit, number> = { wide: 34, tight: 34, narrow: 58 };

function fitOf(width: number): Fit {
  if (width < 660) return "narrow";
  return width < 1000 ? "tight" : "wide";
}

export function Board({ page }: { page: Page }) {
  const scroller = useRef<HTMLDivElement>(null);
  const scrollTop = useSignal(0);
  const height = useSignal(600);
  const fit = useSignal<Fit>(fitOf(innerWidth));
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => {
      if (!entry) return;
      height.value = entry.contentRect.height;
      fit.value = fitOf(entry.contentRect.width);
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const view = page.view.value;
  useLayoutEffect(() => {
    if (scroller.current) scroller.current.scrollTop = 0;
  }, [view]);

  page.frame.value;
  const rows = page.shown.value;
  const rowHeight = ROW_HEIGHT[fit.value];
  const { first, end } = inSight(scrollTop.value, height.value, rowHeight, rows.length);
  const sight = rows.slice(first, end);
  for (const row of sight) page.see(row);
  const now = performance.now();
  return (
    <div class={`board board-${fit.value}`} role="table" aria-label="Player props" aria-rowcount={rows.length + 1}>
      <div class="board-head" role="rowgroup">
        <div class="cells" role="row" aria-rowindex={1}>
          {COLUMNS.map((column) => (
            <HeadCell key={column} page={page} column={column} />
          ))}
        </div>
      </div>
      <div
        class="board-body"
        role="rowgroup"
        ref={scroller}
        tabIndex={0}
        aria-label="Props"
        onScroll={(event) => (scrollTop.value = event.currentTarget.scrollTop)}
      >
        <div class="board-all" role="presentation" style={{ height: `${rows.length * rowHeight}px` }}>
          {sight.map((row, i) => (
            <RowView
              key={row.key}
              row={row}
              index={first + i}
              top={(first + i) * rowHeight}
              now={now}
              version={row.version}
            />
          ))}
        </div>
        {rows.length === 0 && <Empty page={page} />}
      </div>
    </div>
  );
}

function HeadCell({ page, column }: { page: Page; column: Column }) {
  const view = page.view.value;
  const sorted = view.column === column ? (view.descending ? "descending" : "ascending") : "none";
  return (
    <div role="columnheader" class={`cell-${column}`} aria-sort={sorted}>
      <button type="button" onClick={() => (page.view.value = sortedBy(view, column))}>
        {COLUMN_TITLES[column]}
        <span class="arrow" aria-hidden="true">
          {sorted === "ascending" ? "↑" : sorted === "descending" ? "↓" : ""}
        </span>
      </button>
    </div>
  );
}

function Empty({ page }: { page: Page }) {
  if (page.rows.size > 0) {
    const none = page.view.value.changedOnly && !page.view.value.search;
    return <p class="empty">{none ? "Nothing has changed since this page was opened." : "No prop matches."}</p>;
  }
  if (page.ready.value) return <p class="empty">The server has no props now. They appear here as soon as it has.</p>;
  return <p class="empty">Waiting for the server’s first answer…</p>;
}
