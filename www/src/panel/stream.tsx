/** Where the change stream stands: colour and words. */
import type { CacheStats, SharingStats, StreamState } from "cache-wasm";
import { ago, count, milliseconds, position } from "../format";
import { FOLLOWED } from "../live/scopes";
import type { Page } from "../page";

const WORDS: Record<StreamState, string> = {
  off: "off",
  connecting: "connecting",
  live: "live",
  waiting: "reconnecting",
  refused: "refused",
};

const SHARED: Record<SharingStats["by"], [title: string, hint: string]> = {
  own: ["this tab's own", "This browser gives tabs no way to share one, or another one has another token"],
  worker: ["shared", "A SharedWorker holds the socket of all tabs"],
  leader: ["shared, this tab leads", "This tab holds the socket; when it closes, another one takes over"],
  follower: ["shared, another tab leads", "Another tab holds the socket; when it closes, one of the others takes over"],
};

export function StreamBadge({ page }: { page: Page }) {
  const { state } = page.stream.value;
  return <span class={`badge badge-${state}`}>{WORDS[state]}</span>;
}

export function StreamSection({ page, stats }: { page: Page; stats: CacheStats }) {
  const { state, detail } = page.stream.value;
  const { stream } = stats;
  return (
    <section>
      <h2>Change stream</h2>
      <p class="panel-state">
        <span class={`badge badge-${state}`} data-testid="stream-state" data-value={state}>
          {WORDS[state]}
        </span>
        <span class="quiet">{stream.vouchedAgo === undefined ? "not vouched for yet" : `vouched ${ago(stream.vouchedAgo)}`}</span>
      </p>
      <Connection sharing={stream.sharing} />
      {detail && state !== "live" && <p class="quiet">{detail}</p>}
      <dl>
        <LateItem page={page} />
        {FOLLOWED.map(({ scope, title }) => {
          const at = stream.subscriptions.find((s) => s.scope === scope);
          return (
            <div key={scope}>
              <dt>
                <span class={at?.live ? "dot dot-live" : "dot"} role="img" aria-label={at?.live ? "live" : "not live"} />
                {title}
              </dt>
              <dd class="mono" title={at?.position && `${scope} at position ${at.position} (epoch:offset)`}>
                {at?.position ? position(at.position) : "–"}
              </dd>
            </div>
          );
        })}
      </dl>
    </section>
  );
}

function LateItem({ page }: { page: Page }) {
  const late = page.late.value;
  const hint =
    late &&
    `${count(late.count)} changes of the last minute: from when the server observed a prop at its upstream to this page's ` +
      `callback; the rest of the board and the 50 ms in which a commit collects are in it. The two clocks are compared to within ${milliseconds(late.within)}.`;
  return (
    <div title={hint}>
      <dt>Observed to here</dt>
      <dd data-testid="late" data-p50={late?.p50} data-p99={late?.p99} data-within={late?.within} data-count={late?.count}>
        {late ? (
          <>
            {milliseconds(late.p50)} <span class="quiet">p99 {milliseconds(late.p99)}</span>
          </>
        ) : (
          "–"
        )}
      </dd>
    </div>
  );
}

function Connection({ sharing: { by, tabs } }: { sharing: SharingStats }) {
  const [title, hint] = SHARED[by];
  return (
    <p class="quiet" data-testid="sharing" data-value={by} title={hint}>
      Connection: {title}
      {by !== "own" && `, ${tabs} ${tabs === 1 ? "tab" : "tabs"}`}
    </p>
  );
}
