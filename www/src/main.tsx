/** Makes the cache, starts the page, and says so in the page when that cannot be. */
import { type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { render } from "preact";
import { App } from "./app";
import { Failure } from "./failure";
import { Page } from "./page";
import "./style/base.css";
import "./style/boot.css";
import "./style/board.css";
import "./style/rows.css";
import "./style/games.css";
import "./style/panel.css";

declare global {
  interface Window {
    /** The page's cache: a handle for the console and for tests. */
    __cache?: ConsolidatedCacheManager;
  }
}

const root = document.getElementById("app");
if (root === null) throw new Error("index.html has no #app");

async function main(root: HTMLElement): Promise<void> {
  const cache = await createCache({
    url: location.origin,
    categories: { props: { max: 5000 }, games: { max: 500 } },
    // The next visit starts with what this one leaves, as far as the stream vouches for it.
    persist: true,
  });
  window.__cache = cache;
  const page = new Page(cache);
  root.replaceChildren();
  render(<App page={page} />, root);
  await page.start();
}

main(root).catch((error: unknown) => {
  console.error(error);
  root.replaceChildren();
  render(<Failure error={error} />, root);
});
