/** The only file that names IndexedDB: rows, and a record that names their state. It knows nothing of what they mean. */

const ROWS = "entries";
const STATE = "meta";
const ENDED = "ended";
const STATE_KEY = "visit";

/** In which state the rows are. */
export interface State {
  /** Who may write. Owners are in the order of their claims. */
  owner: string;
  /** Another one with each write: who knows it knows the rows. */
  mark: string;
}

export interface Batch<S extends State> {
  state: S;
  /** Nothing stays that was there. */
  isAnew: boolean;
  deleted: readonly [category: string, key: string][];
  added: readonly object[];
}

type Stores = Record<"rows" | "states" | "ended", IDBObjectStore>;

export class Database {
  readonly #opened: IDBDatabase;

  private constructor(opened: IDBDatabase, lost: () => void) {
    this.#opened = opened;
    // Another page deletes it, or needs another format.
    opened.onversionchange = () => {
      opened.close();
      lost();
    };
    opened.onclose = lost;
  }

  /** What is there in another format is dropped. `lost` hears when the database is taken away. */
  static async open(name: string, format: number, lost: () => void): Promise<Database> {
    try {
      return new Database(await opening(name, format), lost);
    } catch (error) {
      if ((error as DOMException | null)?.name !== "VersionError") throw error;
      await Database.delete(name);
      return new Database(await opening(name, format), lost);
    }
  }

  static async delete(name: string): Promise<void> {
    await promised(indexedDB.deleteDatabase(name));
  }

  /** All there is, as of one moment. */
  async read(): Promise<{ state: unknown; rows: unknown[] }> {
    const transaction = this.#opened.transaction([ROWS, STATE]);
    const [state, rows] = await Promise.all([
      promised<unknown>(transaction.objectStore(STATE).get(STATE_KEY)),
      promised<unknown[]>(transaction.objectStore(ROWS).getAll()),
    ]);
    return { state, rows };
  }

  /**
   * Makes `empty.owner` the owner, and ends the one before: what that one still writes does nothing. Whether the rows are in
   * the state that is expected; if not, nothing is known of them, which `empty` says.
   */
  async claim<S extends State>(empty: S, expected: string | undefined, forgotten: string): Promise<boolean> {
    let isExpected = false;
    await this.#transact(({ states, ended }, attempt) => {
      const found = states.get(STATE_KEY) as IDBRequest<S | undefined>;
      found.onsuccess = attempt(() => {
        const before = found.result;
        isExpected = expected !== undefined && before?.mark === expected;
        ended.delete(IDBKeyRange.upperBound(forgotten));
        if (before !== undefined) ended.put(0, before.owner);
        states.put(isExpected ? { ...before, owner: empty.owner } : empty, STATE_KEY);
      });
    });
    return isExpected;
  }

  /**
   * Writes all of a batch or nothing: whether its owner still was one. The page may be gone by the next task, so that all is
   * said at once: to add what is there already is what undoes the whole.
   */
  async write<S extends State>({ state, isAnew, deleted, added }: Batch<S>): Promise<boolean> {
    try {
      await this.#transact(({ rows, states, ended }) => {
        ended.add(0, state.owner);
        ended.delete(state.owner);
        if (isAnew) rows.clear();
        for (const key of isAnew ? [] : deleted) rows.delete(key);
        for (const row of added) rows.put(row);
        states.put(state, STATE_KEY);
        states.transaction.commit();
      });
      return true;
    } catch (error) {
      if ((error as DOMException | null)?.name === "ConstraintError") return false;
      throw error;
    }
  }

  #transact(work: (stores: Stores, attempt: (call: () => void) => () => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const transaction = this.#opened.transaction([ROWS, STATE, ENDED], "readwrite", { durability: "relaxed" });
      // What a handler throws would be an error of the page's.
      const attempt = (call: () => void) => () => {
        try {
          call();
        } catch (error) {
          reject(error);
          transaction.abort();
        }
      };
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      const [rows, states, ended] = [ROWS, STATE, ENDED].map((name) => transaction.objectStore(name)) as [
        IDBObjectStore,
        IDBObjectStore,
        IDBObjectStore,
      ];
      attempt(() => work({ rows, states, ended }, attempt))();
    });
  }

  close(): void {
    this.#opened.close();
  }
}

function opening(name: string, format: number): Promise<IDBDatabase> {
  const request = indexedDB.open(name, format);
  request.onupgradeneeded = () => {
    const { result } = request;
    for (const store of [...result.objectStoreNames]) result.deleteObjectStore(store);
    result.createObjectStore(ROWS, { keyPath: ["category", "key"] });
    result.createObjectStore(STATE);
    result.createObjectStore(ENDED);
  };
  return promised(request);
}

function promised<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
