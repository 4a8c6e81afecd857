/** One row. It draws what was just read from the cache, or, dimmed, what was read last. */
import { age, line, short, signed, start } from "../format";
import { moved } from "./order";
import type { Row } from "./rows";
import { Steps } from "./steps";

/** How long a change is marked; the style sheet's animations end sooner. */
const FLASH_MS = 6000;

interface Props {
  row: Row;
  index: number;
  top: number;
  now: number;
  version: number;
}

export function RowView({ row, index, top, now }: Props) {
  const { facts } = row;
  const since = row.changedAt === 0 ? undefined : now - row.changedAt;
  const flash = row.current && since !== undefined && since < FLASH_MS ? flashOf(row) : "";
  const [whole, fraction] = split(facts.line);
  return (
    <div
      class={`cells row${row.current ? flash : " row-old"}`}
      role="row"
      aria-rowindex={index + 2}
      data-key={row.key}
      data-current={row.current ? "true" : "false"}
      style={{ transform: `translateY(${top}px)` }}
    >
      <div role="cell" class="cell-player">
        <span class="name">{facts.player}</span>
        <span class="quiet">{[facts.team, facts.position].filter(Boolean).join(" · ")}</span>
      </div>
      <div role="cell" class="cell-stat">
        <span class="name">{facts.stat}</span>
        {facts.flashSale !== undefined ? (
          <span class="chip chip-promo">sale {line(facts.flashSale)}</span>
        ) : (
          facts.promo && <span class="chip chip-promo">promo</span>
        )}
      </div>
      <div role="cell" class="cell-line">
        <span class="delta" key={row.version}>
          {flash && row.delta !== 0 ? `${row.delta > 0 ? "▲" : "▼"} ${signed(row.delta)}` : ""}
        </span>
        <b class="number" key={`n${row.version}`}>
          {whole}
          <span class="fraction">{fraction}</span>
        </b>
      </div>
      <div role="cell" class="cell-odds">
        <span class={`chip chip-${facts.odds}`}>{facts.oddsText}</span>
      </div>
      <div role="cell" class="cell-game">
        {facts.live ? <span class="chip chip-live">live</span> : <span class="when">{start(facts.start, Date.now())}</span>}
        <span class="quiet">{opponentOf(facts.opponent)}</span>
      </div>
      <div role="cell" class="cell-trend">
        <Trend row={row} />
      </div>
      <div role="cell" class="cell-age">{since === undefined ? <span class="quiet none">–</span> : age(since)}</div>
    </div>
  );
}

/** "24.5" as "24" and ".5". */
function split(value: number): [string, string] {
  const text = line(value);
  const point = text.indexOf(".");
  return point === -1 ? [text, ""] : [text.slice(0, point), text.slice(point)];
}

function flashOf(row: Row): string {
  if (row.fresh) return " row-new";
  if (row.delta === 0) return " row-touched";
  return row.delta > 0 ? " row-up" : " row-down";
}

const opponentOf = (text: string): string => (text === "" || /^(vs|@|at )/i.test(text) ? text : `vs ${text}`);

function Trend({ row }: { row: Row }) {
  const total = moved(row);
  const { trending } = row.facts;
  if (row.lines.length > 1) {
    return (
      <>
        <Steps values={row.lines} />
        <span class="trend-total">{total === 0 ? "±0" : signed(total)}</span>
      </>
    );
  }
  if (trending === false || trending === 0) return null;
  return (
    <span class="quiet" title="Picked often">
      {trending === true ? "trending" : `${short(trending)} picks`}
    </span>
  );
}
