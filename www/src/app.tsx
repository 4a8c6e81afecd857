/** The page's layout. */
import { useSignal } from "@preact/signals";
import { Board } from "./board/board";
import { Toolbar } from "./board/toolbar";
import { GameStrip } from "./games/strip";
import { Notice } from "./notice";
import type { Page } from "./page";
import { Panel } from "./panel/panel";
import { StreamBadge } from "./panel/stream";

export function App({ page }: { page: Page }) {
  const panelOpen = useSignal(false);
  const open = panelOpen.value;
  return (
    <div class="app" data-panel={open ? "open" : "closed"}>
      <header class="top">
        <h1>Live board</h1>
        <p class="top-about">
          Player props and MLB games, pushed as they change. Every number is read from the cache in this page, which never
          shows one that the server has said is old.
        </p>
        <button
          type="button"
          class="top-status"
          aria-expanded={open}
          aria-controls="panel"
          onClick={() => (panelOpen.value = !open)}
        >
          <StreamBadge page={page} />
          <span class="top-more" aria-hidden="true">
            {open ? "✕" : "☰"}
          </span>
          <span class="unseen">{open ? "Close" : "Open"} the cache panel</span>
        </button>
      </header>
      <Notice page={page} />
      <GameStrip page={page} />
      <main class="main">
        <Toolbar page={page} />
        <Board page={page} />
      </main>
      <Panel page={page} />
    </div>
  );
}
