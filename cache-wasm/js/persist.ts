/**
 * What one visit leaves in IndexedDB for the next: written bit by bit, off the critical path, and bounded in size.
 *
 * THE RULE, which keeps P1 across visits: what is stored never claims to be current at a position at which it was not.
 * The next visit resumes from the stored positions and is told of nothing before them, so that a row which was stale by
 * then would be vouched for. Therefore
 *
 * - there is one kind of write, one transaction: the rows of *all* keys that something happened to since the last one are
 *   deleted or written again, and the positions of the same moment go with them. When there is more to add than a slice
 *   allows, the rest follows in later writes, each a whole one of this kind. If a later one is lost, or the page ends
 *   between two, rows are missing, and no row is wrong;
 * - a row may be newer than the positions, never older: what is told again finds it known later, or drops it;
 * - a row that this cache does not hold itself would not be deleted when its key changes: what cannot be taken up is
 *   deleted by the first write;
 * - what waits for a stream's word since an earlier visit keeps the position of that visit, also when its scope is not
 *   followed now; another scope that covers such a row is written at no later position.
 *
 * The database may be written by several pages. One holds a lock and writes. That alone proves nothing, for a page's last
 * write may come after it gave the lock up; therefore who gets the lock claims the database first, which ends its owner
 * before: no write of that one does anything from then on. Rows that the new owner has not read go with its first write,
 * and no position stands for them until then. So what is there is always one page's own.
 */

import { type Batch, Database, type State } from "./database.js";
import type { Entry, Lease } from "./entry.js";
import { CacheError } from "./errors.js";
import type { Mirror, Watcher } from "./mirror.js";
import { Rows } from "./rows.js";
import { Alarm, background, stamp } from "./timers.js";
import { Turn } from "./turn.js";
import type { DumpEntry, PersistOptions, PersistStats } from "./types.js";
import { checkRow, earlier, FORMAT, type Visits } from "./visits.js";

const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;
const DEFAULT_INTERVAL_MS = 2000;
/** How long one write may take to prepare; and while nobody looks, when it may be the last one. */
const SLICE_MS = 2;
const LEAVING_MS = 50;
/** No server replays a day: a scope that was not followed for so long is forgotten, with its rows. */
const FOLLOWED_MAX_MS = 24 * 3600 * 1000;
/** So long it is remembered whose writes do nothing. */
const ENDED_MAX_MS = 3600 * 1000;
/** So many rows are deleted one by one, if no more than this are left. */
const DELETES = 1000;

/** A row, and the wall clock's milliseconds when it was written. */
type Row = DumpEntry & { at: number };

interface Visit extends State {
  /** Where scopes stood, and until when they were followed. */
  scopes: [scope: string, position: string, at: number][];
}

/** A scope of an earlier visit, with what has not been vouched for. */
interface Unvouched {
  position: string;
  at: number;
  entries: Entry[];
}

export class Persist implements Watcher {
  #state: PersistStats["state"] = "opening";
  #flushes = 0;
  #failures = 0;
  readonly #mirror: Mirror;
  readonly #visits: Visits;
  readonly #name: string;
  readonly #interval: number;
  readonly #excluded: ReadonlySet<string>;
  readonly #alarm: Alarm;
  #isArmed = false;
  #database: Database | undefined;
  /** The state that the database is in; undefined when that is not known, and the next write is of all there is. */
  #mark: string | undefined;
  /** Drawn anew for each claim. */
  #owner = "";
  readonly #rows: Rows;
  /** Entries that something happened to since the last write. */
  readonly #dirty = new Set<Entry>();
  /** Entries whose rows are to be added. */
  readonly #missing = new Set<Entry>();
  /** Rows that were read and not taken up. */
  #orphans: [string, string][] = [];
  readonly #unvouched = new Map<string, Unvouched>();
  /** The lease of all that is unvouched. */
  #noLease: Lease | undefined;
  /** The positions that are stored. */
  #written = "";
  #writing = 0;
  #turn: Turn | undefined;

  constructor(mirror: Mirror, visits: Visits, name: string, options: PersistOptions) {
    this.#mirror = mirror;
    this.#visits = visits;
    this.#name = `cache-wasm/${name}`;
    this.#rows = new Rows(mirror.tables, options.maxBytes ?? DEFAULT_MAX_BYTES);
    this.#interval = options.interval ?? DEFAULT_INTERVAL_MS;
    this.#excluded = new Set(options.exclude);
    this.#alarm = new Alarm(mirror.clock, () => {
      this.#isArmed = false;
      background(() => this.#flush(SLICE_MS), 0);
    });
  }

  get stats(): PersistStats {
    const { size, bytes } = this.#rows;
    return { state: this.#state, entries: size, bytes, flushes: this.#flushes, failures: this.#failures };
  }

  /** Takes up what an earlier visit left, unless that is read too late, and writes from then on. Does not throw. */
  async open(late: AbortSignal): Promise<void> {
    const { indexedDB, navigator } = globalThis as Partial<typeof globalThis>;
    if (indexedDB === undefined || navigator?.locks === undefined) return this.#end("unsupported");
    try {
      const database = await Database.open(this.#name, FORMAT, () => this.#end("stopped"));
      this.#database = database;
      const { state, rows } = await database.read();
      if (this.#mirror.closed !== undefined || this.#state !== "opening") return this.close();
      if (!late.aborted && isVisit(state)) this.#takeUp(state, rows as Row[]);
    } catch {
      return this.#fail();
    }
    this.#mirror.watcher = this;
    this.#turn = new Turn(this.#name, {
      claim: () => this.#claim(),
      began: () => {
        this.#state = "writing";
        this.#arm();
      },
      ended: () => (this.#state = "waiting"),
      leaves: () => this.#flush(LEAVING_MS),
      failed: () => this.#fail(),
    });
    this.#state = "waiting";
  }

  changed(entry: Entry): void {
    // When all is written anew, this is too.
    if (this.#mark === undefined || this.#excluded.has(entry.category.name)) return;
    this.#dirty.add(entry);
    this.#arm();
  }

  touched(entry: Entry): void {
    // A stream takes up what it vouches for from now on: the row says that already.
    if (entry.lease !== this.#noLease || !this.#rows.has(entry)) this.changed(entry);
  }

  /** The last write, as far as it is short. */
  close(): void {
    this.#flush(LEAVING_MS);
    this.#end("stopped");
  }

  /** The core is lost: what was written stays as it is. */
  stop(): void {
    this.#end("stopped");
  }

  /** Deletes what is stored; nothing more is. */
  async forget(): Promise<void> {
    this.#end("stopped");
    if ((globalThis as Partial<typeof globalThis>).indexedDB === undefined) return;
    try {
      await Database.delete(this.#name);
    } catch (error) {
      throw new CacheError("unavailable", `what is stored could not be deleted: ${String(error)}; try again`, { cause: error });
    }
  }

  #takeUp({ mark, scopes }: Visit, read: Row[]): void {
    const at = this.#visits.wall();
    const since = (then: unknown) => (typeof then === "number" ? Math.max(0, at - then) : Infinity);
    const standing = scopes.filter(([, , followed]) => since(followed) < FOLLOWED_MAX_MS);
    const rows = read.map((row) => (this.#excluded.has(row.category) ? undefined : checkRow(row, since(row.at))));
    const entries = this.#visits.takeUp(
      standing.map(([scope, position]) => [scope, position]),
      rows,
    );
    for (const [scope, position, at] of standing) this.#unvouched.set(scope, { position, at, entries: [] });
    for (const [i, entry] of entries.entries()) {
      const { category, key, json, seen } = read[i]!;
      if (entry === undefined || !this.#rows.add(entry, json)) {
        this.#orphans.push([category, key]);
        continue;
      }
      if (seen === undefined) continue;
      this.#noLease = entry.lease;
      for (const [scope, { entries }] of this.#unvouched) if (key.startsWith(scope)) entries.push(entry);
    }
    this.#mark = mark;
    this.#written = positionsOf(scopes);
  }

  /** From now on what is written is this page's. */
  async #claim(): Promise<void> {
    const at = this.#visits.wall();
    this.#owner = `${at} ${Math.random()}`;
    const empty: Visit = { owner: this.#owner, mark: "", scopes: [] };
    const isKnown = await this.#database!.claim(empty, this.#mark, String(at - ENDED_MAX_MS));
    if (!isKnown) this.#startOver();
  }

  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    this.#alarm.set(this.#mirror.clock.now() + this.#interval);
  }

  #flush(budget: number): void {
    const database = this.#database;
    if (database === undefined) return;
    if (this.#turn?.isMine !== true) {
      // What waits for the turn is not to pile up.
      if (budget === SLICE_MS) this.#startOver();
      return;
    }
    // A slice waits for the one before it.
    if (this.#writing > 0 && budget === SLICE_MS) return;
    const batch = this.#mirror.quietly(() => this.#prepare(budget));
    this.#mirror.news.tell();
    if (batch === undefined) return;
    this.#writing++;
    database.write(batch).then(
      (isOwner) => {
        this.#writing--;
        if (isOwner) this.#flushes++;
        else this.#lose();
        if (this.#missing.size > 0) background(() => this.#flush(SLICE_MS), 0);
        else if (this.#dirty.size > 0) this.#arm();
      },
      () => this.#fail(),
    );
  }

  /** Another page has claimed the database. */
  #lose(): void {
    if (this.#turn?.isMine !== true) return;
    this.#startOver();
    this.#turn.again();
  }

  /** What the next write says, if there is anything to say. */
  #prepare(budget: number): Batch<Visit> | undefined {
    let isAnew = this.#mark === undefined;
    // The housekeeper comes too late.
    if (budget === LEAVING_MS) this.#visits.settle();
    // Every effect up to these positions is repeated before they are read: what is stale by them is known to be dirty.
    const scopes = this.#scopes();
    const stale = new Set<Entry>();
    for (const entry of this.#dirty) {
      if (this.#rows.delete(entry)) stale.add(entry);
      if (entry.slot >= 0) this.#missing.add(entry);
      else this.#missing.delete(entry);
    }
    this.#dirty.clear();
    isAnew ||= stale.size > Math.max(DELETES, this.#rows.size);
    if (isAnew) this.#missAll();
    const positions = positionsOf(scopes);
    const hasNews = stale.size + this.#missing.size + this.#orphans.length > 0 || positions !== this.#written;
    if (!isAnew && !hasNews) return undefined;
    this.#written = positions;
    const added = this.#record(budget);
    for (const entry of this.#rows.makeRoom()) {
      stale.add(entry);
      added.delete(entry);
    }
    const deleted = this.#orphans;
    this.#orphans = [];
    // A row that is put takes the place of the one before it.
    for (const entry of stale) if (!added.has(entry)) deleted.push([entry.category.name, entry.key]);
    this.#mark = String(Math.random());
    return { state: { owner: this.#owner, mark: this.#mark, scopes }, isAnew, deleted, added: [...added.values()] };
  }

  /** Where the scopes stand: those that are followed, and those of an earlier visit that something still waits for. */
  #scopes(): Visit["scopes"] {
    const standing = this.#visits.positions();
    const left: Visit["scopes"] = [];
    for (const [scope, unvouched] of this.#unvouched) {
      const { position, at } = unvouched;
      const waiting = unvouched.entries.filter((entry) => entry.slot >= 0 && entry.lease === this.#noLease);
      unvouched.entries = waiting;
      if (waiting.length === 0) {
        this.#unvouched.delete(scope);
        continue;
      }
      for (const [other, own] of standing) {
        if (waiting.some(({ key }) => key.startsWith(other))) standing.set(other, earlier(own, position));
      }
      if (!standing.has(scope)) left.push([scope, position, at]);
    }
    const at = this.#visits.wall();
    return [...standing].map(([scope, position]): Visit["scopes"][number] => [scope, position, at]).concat(left);
  }

  /** Rows of what is missing, as many as can be made in time. */
  #record(budget: number): Map<Entry, Row> {
    const rows = new Map<Entry, Row>();
    const { clock } = this.#mirror;
    const [now, at, end] = [clock.now(), this.#visits.wall(), stamp() + budget];
    this.#mirror.call(() => {
      for (const entry of this.#missing) {
        this.#missing.delete(entry);
        const row = this.#visits.row(entry, now);
        if (row !== undefined && this.#rows.add(entry, row.json)) rows.set(entry, { ...row, at });
        if (stamp() >= end) break;
      }
    });
    return rows;
  }

  /** All that fits is to be written, from the last used on. */
  #missAll(): void {
    this.#rows.clear();
    this.#missing.clear();
    this.#unvouched.clear();
    this.#orphans = [];
    const { categories } = this.#mirror;
    const all = categories.filter(({ name }) => !this.#excluded.has(name)).flatMap(({ index }) => [...index.values()]);
    for (const entry of this.#rows.fitting(all)) this.#missing.add(entry);
  }

  /** What the database holds is not known any more. */
  #startOver(): void {
    this.#mark = undefined;
    this.#dirty.clear();
    this.#missing.clear();
    this.#unvouched.clear();
  }

  /** There is no room, or no database: a cache without one is a cache all the same. */
  #fail(): void {
    if (this.#database === undefined && this.#state !== "opening") return;
    this.#failures++;
    this.#end("failed");
    // What is there is old and true; it only takes room.
    void Database.delete(this.#name).catch(() => {});
  }

  #end(state: PersistStats["state"]): void {
    this.#turn?.end();
    this.#turn = undefined;
    this.#state = state;
    if (this.#mirror.watcher === this) this.#mirror.watcher = undefined;
    this.#alarm.set(undefined);
    this.#database?.close();
    this.#database = undefined;
    this.#rows.clear();
    this.#startOver();
  }
}

function positionsOf(scopes: Visit["scopes"]): string {
  return scopes.map(([scope, position]) => scope + position).join();
}

function isVisit(state: unknown): state is Visit {
  const { mark, scopes } = (state ?? {}) as Partial<Visit>;
  return typeof mark === "string" && Array.isArray(scopes) && scopes.every(Array.isArray);
}
