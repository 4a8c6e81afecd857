/**
 * The page's state between the cache and the components: it hears what changed, and draws at most once a frame.
 *
 * The cache is the truth. What is kept here is which keys are on the board, what this page has seen of them, and what
 * the reader chose; components read values through `rows` and `games`, which read the cache.
 */
import type { CacheStats, ConsolidatedCacheManager, StreamState } from "cache-wasm";
import { computed, signal } from "@preact/signals";
import { arrange, FIRST_VIEW, type View } from "./board/order";
import { type Row, Rows } from "./board/rows";
import { type Drawn, Games } from "./games/games";
import { Audit } from "./live/audit";
import { Follower, type LoadState } from "./live/follow";
import { type Category, FOLLOWED } from "./live/scopes";
import { compare, ServerClock, wallTime } from "./live/server-clock";
import type { Prop } from "./live/values";
import { type Late, Lateness } from "./panel/lateness";
import { Rate } from "./panel/rate";

/** How often rows are sorted anew, so that the board stays readable. A row that is gone leaves at once. */
const RESORT_MS = 500;
const STATS_MS = 500;
const CLOCK_MS = 5_000;

export interface StreamView {
  state: StreamState;
  detail: string;
  /** Wall time when it stopped being live; undefined while it is. */
  since: number | undefined;
}

export class Page {
  readonly cache: ConsolidatedCacheManager;
  readonly rows: Rows;
  readonly games: Games;
  readonly view = signal<View>(FIRST_VIEW);
  readonly shown = signal<Row[]>([]);
  readonly cards = signal<Drawn[]>([]);
  readonly stream = signal<StreamView>({ state: "connecting", detail: "", since: Date.now() });
  readonly loads = signal<ReadonlyMap<string, LoadState>>(new Map());
  readonly stats = signal<CacheStats | undefined>(undefined);
  readonly audit = new Audit();
  readonly rates = signal<number[]>([]);
  /** How late props came in the last minute, and how far that may be off, in milliseconds. */
  readonly late = signal<(Late & { within: number }) | undefined>(undefined);
  /** Counts the frames drawn: a component that reads it draws again. */
  readonly frame = signal(0);
  /** Whether the initial load is finished. */
  readonly ready = signal(false);
  readonly live = computed(() => this.stream.value.state === "live");
  readonly #follower: Follower;
  readonly #rate = new Rate();
  readonly #lateness = new Lateness();
  readonly #serverClock = new ServerClock();
  /** Wall time since when the stream is live. */
  #liveSince = Infinity;
  #requested = false;
  #arranged = { view: FIRST_VIEW, departures: 0, moves: 0, at: -RESORT_MS };

  constructor(cache: ConsolidatedCacheManager) {
    this.cache = cache;
    this.rows = new Rows((key) => cache.get<Prop>("props", key));
    this.games = new Games((key) => cache.get("games", key));
    this.#follower = new Follower(cache, FOLLOWED, {
      read: (category, key) => this.#read(category, key),
      gone: (category, key) => {
        if (category === "props") this.rows.drop(key);
        else this.games.drop(key);
        this.draw();
      },
      only: ({ category, scope }, keys) => {
        const has = (key: string) => cache.has(category, key);
        if (category === "props") this.rows.keepOnly(scope, keys, has);
        else this.games.keepOnly(keys, has);
        this.draw();
      },
      announced: (category, keys, observedAt) => {
        this.#rate.add(keys, performance.now());
        if (observedAt !== undefined && category === "props") this.#came(observedAt);
      },
      load: ({ scope }, state) => {
        this.loads.value = new Map(this.loads.value).set(scope, state);
        this.draw();
      },
    });
  }

  async start(): Promise<void> {
    this.cache.on("stream", (state, detail) => this.#heard(state, detail));
    this.#heard(this.cache.stats().stream.state, "");
    this.view.subscribe(() => this.draw());
    setInterval(() => this.#sample(), STATS_MS);
    setInterval(() => void compare(this.#serverClock), CLOCK_MS);
    void compare(this.#serverClock);
    this.#sample();
    this.audit.start();
    await this.#follower.start();
    this.rows.begin();
    this.#arranged.at = -RESORT_MS;
    this.ready.value = true;
    this.draw();
    await nextFrame();
    await nextFrame();
    document.documentElement.dataset["ready"] = "true";
  }

  /** Asks for a draw in the next frame. */
  draw(): void {
    if (this.#requested) return;
    this.#requested = true;
    requestAnimationFrame(() => {
      this.#requested = false;
      this.#arrange(performance.now());
      this.cards.value = this.games.draw((key) => this.#missed("games", key));
      this.frame.value += 1;
    });
  }

  /** Reads a row that is about to be drawn. */
  see(row: Row): void {
    if (this.rows.read(row.key, performance.now()) === "missed") this.#missed("props", row.key);
  }

  #read(category: Category, key: string): void {
    if (category === "games") this.games.add(key);
    else if (this.rows.read(key, performance.now()) === "missed") this.#missed(category, key);
    this.draw();
  }

  /**
   * A prop came that the server observed at a time of its own clock. (When a game changed is its upstream's word, in
   * whole seconds of another clock.) What was missed while the stream was away is late for another reason.
   */
  #came(observedAt: number): void {
    const skew = this.#serverClock.skew();
    if (skew === undefined) return;
    const now = wallTime();
    const observed = observedAt - skew.ahead;
    if (observed >= this.#liveSince) this.#lateness.add(now - observed, now);
  }

  #missed(category: Category, key: string): void {
    if (this.live.value) this.#follower.missed(category, key);
  }

  #heard(state: StreamState, detail: string): void {
    const { since } = this.stream.value;
    if (state !== "live") this.#liveSince = Infinity;
    else if (this.#liveSince === Infinity) this.#liveSince = wallTime();
    this.stream.value = { state, detail, since: state === "live" ? undefined : (since ?? Date.now()) };
    if (state === "live") this.#follower.hurry();
    this.#sample();
    this.draw();
  }

  #sample(): void {
    const stats = this.cache.stats();
    // A tab that slept hears of nothing until it reads: the statistics are the word on the state.
    if (stats.stream.state !== this.stream.value.state) this.#heard(stats.stream.state, "");
    this.stats.value = stats;
    this.rates.value = this.#rate.seconds(performance.now());
    const late = this.#lateness.lastMinute(wallTime());
    const within = this.#serverClock.skew()?.within;
    this.late.value = late && within !== undefined ? { ...late, within } : undefined;
    this.draw();
  }

  #arrange(now: number): void {
    const { departures, moves } = this.rows;
    const last = this.#arranged;
    const view = this.view.value;
    if (view !== last.view || (moves !== last.moves && now - last.at >= RESORT_MS)) {
      this.#arranged = { view, departures, moves, at: now };
      this.shown.value = arrange(this.rows.all(), view);
    } else if (departures !== last.departures) {
      this.#arranged = { ...last, departures };
      this.shown.value = this.shown.value.filter((row) => this.rows.get(row.key) === row);
    }
  }
}

function nextFrame(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => resolve()));
}
