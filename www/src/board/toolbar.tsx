/** League tabs, search, the changed-only switch, and the counts of the board. */
import { count } from "../format";
import type { Page } from "../page";
import { COLUMNS, type Column, isFiltered, LEAGUES, sortedBy } from "./order";

const LEAGUE_TITLES = { all: "All", nba: "NBA", mlb: "MLB" };

export const COLUMN_TITLES: Record<Column, string> = {
  player: "Player",
  stat: "Stat",
  line: "Line",
  odds: "Odds",
  game: "Game",
  trend: "Trend",
  age: "Changed",
};

export function Toolbar({ page }: { page: Page }) {
  const view = page.view.value;
  return (
    <div class="tools">
      <div class="tabs" role="group" aria-label="League">
        {LEAGUES.map((league) => (
          <button
            key={league}
            type="button"
            aria-pressed={view.league === league}
            onClick={() => (page.view.value = { ...view, league })}
          >
            {LEAGUE_TITLES[league]}
          </button>
        ))}
      </div>
      <input
        class="search"
        type="search"
        placeholder="Player, team, stat…"
        aria-label="Search players, teams and stats"
        value={view.search}
        onInput={(event) => (page.view.value = { ...view, search: event.currentTarget.value })}
      />
      <label class="switch">
        <input
          type="checkbox"
          checked={view.changedOnly}
          onChange={(event) => (page.view.value = { ...view, changedOnly: event.currentTarget.checked })}
        />
        <span>Changed only</span>
      </label>
      <label class="sort">
        <span class="unseen">Sort by</span>
        <select
          value={view.column}
          onChange={(event) => (page.view.value = sortedBy(view, event.currentTarget.value as Column))}
        >
          {COLUMNS.map((column) => (
            <option key={column} value={column}>
              By {COLUMN_TITLES[column].toLowerCase()}
            </option>
          ))}
        </select>
      </label>
      <Counts page={page} />
    </div>
  );
}

function Counts({ page }: { page: Page }) {
  page.frame.value;
  const all = page.rows.size;
  const shown = page.shown.value.length;
  return (
    <p class="tools-count">
      {isFiltered(page.view.value) && <>{count(shown)} of </>}
      <b data-testid="board-count" data-value={all}>
        {count(all)}
      </b>{" "}
      props
    </p>
  );
}
