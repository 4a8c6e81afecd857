/**
 * The banner: what is not right, since when, and what happens next. The live region holds only what changes seldom;
 * the countdown beside it is not spoken.
 */
import { age, timeOfDay } from "./format";
import { FOLLOWED } from "./live/scopes";
import type { Page } from "./page";

export function Notice({ page }: { page: Page }) {
  page.frame.value;
  const said = message(page);
  return (
    <div class={said ? `notice notice-${said.kind}` : "notice"} data-testid="notice">
      <span role="status">{said?.text}</span> {said?.running && <span class="notice-running">{said.running}</span>}
    </div>
  );
}

interface Said {
  kind: "wait" | "bad";
  text: string;
  running?: string;
}

function message(page: Page): Said | undefined {
  const { state, detail, since } = page.stream.value;
  if (state === "refused") {
    const why = detail ? ` (${detail})` : "";
    return { kind: "bad", text: `The server refused this page’s stream${why}. The numbers below are not current.` };
  }
  const failed = FOLLOWED.flatMap((followed) => {
    const load = page.loads.value.get(followed.scope);
    return load && load.phase !== "loaded" && load.error ? [{ title: followed.title, error: load.error, load }] : [];
  });
  if (page.ready.value && state !== "live" && since !== undefined) {
    return {
      kind: "wait",
      text: `Not live since ${timeOfDay(since)}: reconnecting. Dimmed numbers are the last seen, and not current.`,
      running: `${age(Date.now() - since)} so far.`,
    };
  }
  if (failed.length > 0) {
    const titles = failed.map(({ title }) => title).join(", ");
    const why = [...new Set(failed.map(({ error }) => error))].join("; ");
    const next = Math.min(...failed.map(({ load }) => (load.phase === "retrying" ? load.retryAt : 0)));
    const wait = next - Date.now();
    return {
      kind: "wait",
      text: `Could not load ${titles}: ${why}.`,
      running: `Trying again ${wait < 1000 ? "now" : `in ${age(wait)}`}.`,
    };
  }
  return undefined;
}
