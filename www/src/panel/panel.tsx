/** The side panel: what the cache and its stream have done since the page was opened. */
import type { CacheStats, CategoryStats, RemovalReason } from "cache-wasm";
import type { ComponentChildren } from "preact";
import { bytes, count, percent } from "../format";
import type { Page } from "../page";
import { AuditSection } from "./audit";
import { Sparkline } from "./sparkline";
import { StreamSection } from "./stream";

export function Panel({ page }: { page: Page }) {
  const stats = page.stats.value;
  return (
    <aside class="panel" id="panel" aria-label="Cache and stream">
      {stats && <StreamSection page={page} stats={stats} />}
      <Changes page={page} />
      {stats && <Contents stats={stats} />}
      {stats && <Fills stats={stats} />}
      {stats && <Removals removals={stats.removals} />}
      <AuditSection audit={page.audit} />
      <footer>
        <a href="/metrics">Server metrics</a>
        <a href="/health/detailed">Server health</a>
        <a href="/v1/audit">Audit</a>
      </footer>
    </aside>
  );
}

function Changes({ page }: { page: Page }) {
  page.frame.value;
  const { added, gone, changed } = page.rows.counts;
  return (
    <section>
      <h2>Since this page was opened</h2>
      <ul class="tally">
        <Tally name="changed" value={changed} />
        <Tally name="added" value={added} />
        <Tally name="gone" value={gone} />
      </ul>
      <Sparkline values={page.rates.value} />
    </section>
  );
}

function Tally({ name, value }: { name: string; value: number }) {
  return (
    <li>
      <b data-testid={name} data-value={value}>
        {count(value)}
      </b>
      <span>{name}</span>
    </li>
  );
}

function Contents({ stats }: { stats: CacheStats }) {
  const reads = stats.hits + stats.misses;
  const { payloads, prefetch } = stats;
  return (
    <section>
      <h2>Cache</h2>
      {stats.categories.map((category) => (
        <Bar key={category.name} category={category} />
      ))}
      <dl>
        <Item title="Hit rate" hint={`${count(stats.hits)} hits of ${count(reads)} reads`}>
          {percent(stats.hits, reads)}
        </Item>
        <Item title="Values" hint="Bytes of JSON, each value once">
          {bytes(payloads.rawBytes)}
        </Item>
        <Item title="Packed to" hint={`${bytes(payloads.dictionaryBytes)} of dictionaries besides`}>
          {bytes(payloads.storedBytes)} <span class="quiet">of {bytes(stats.budgetBytes)}</span>
        </Item>
        <Item title="Shared" hint="Bytes not stored because an equal value was there">
          {bytes(payloads.sharedBytes)}
        </Item>
        <Item title="Decoded" hint="Bytes of JSON whose objects are at hand; the others are decoded when they are read">
          {bytes(stats.decodedBytes)}
        </Item>
        <Item title="WebAssembly memory">{bytes(stats.memoryBytes)}</Item>
        {stats.pressure.level !== "normal" && (
          <Item title="Memory pressure" hint="The browser is short of memory: the cache holds less">
            {stats.pressure.level}
          </Item>
        )}
        {prefetch.issued > 0 && (
          <Item title="Read ahead" hint={`${count(prefetch.wasted)} left unread`}>
            {count(prefetch.used)} <span class="quiet">of {count(prefetch.issued)} used</span>
          </Item>
        )}
      </dl>
    </section>
  );
}

function Bar({ category: { name, policy, entries, max, hits, misses, share } }: { category: CategoryStats }) {
  const hint = `${policy}; hit rate ${percent(hits, hits + misses)}; ${bytes(share.bytes)} of the budget`;
  return (
    <div class="bar" title={hint}>
      <span>{name}</span>
      <span>
        {count(entries)} <span class="quiet">of {count(max)}</span>
      </span>
      <meter min={0} max={max} value={entries} aria-label={`${name}: entries`} />
    </div>
  );
}

function Fills({ stats: { fills } }: { stats: CacheStats }) {
  return (
    <section>
      <h2>Fills</h2>
      <dl>
        <Item title="Started">{count(fills.started)}</Item>
        <Item title="Accepted">{count(fills.accepted)}</Item>
        <Item title="Late answers refused" hint="They were older than a change already announced: stale data, kept out">
          {count(fills.discarded)}
        </Item>
        {fills.failed > 0 && <Item title="Failed">{count(fills.failed)}</Item>}
      </dl>
    </section>
  );
}

function Removals({ removals }: { removals: Record<RemovalReason, number> }) {
  const happened = Object.entries(removals).filter(([, n]) => n > 0);
  return (
    <section>
      <h2>Removed from the cache</h2>
      {happened.length === 0 && <p class="quiet">Nothing yet.</p>}
      <dl>
        {happened.map(([reason, n]) => (
          <Item key={reason} title={reason}>
            {count(n)}
          </Item>
        ))}
      </dl>
    </section>
  );
}

function Item({ title, hint, children }: { title: string; hint?: string; children: ComponentChildren }) {
  return (
    <div title={hint}>
      <dt>{title}</dt>
      <dd>{children}</dd>
    </div>
  );
}
