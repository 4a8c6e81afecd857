/** The only file that names IndexedDB: rows, and a record that names their state. It knows nothing of what they mean. */

const ROWS = "entries";
const STATE = "meta";
const STATE_KEY = "visit";

/** What says in which state the rows are. */
export interface State {
  /** Another one with each write: who knows it knows the rows. */
  mark: string;
}

export interface Batch<S extends State> {
  /** The mark that the write is made for; without one it starts over, whatever is there. */
  expected: string | undefined;
  state: S;
  deleted: readonly [category: string, key: string][];
  added: readonly object[];
}

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

  /** Writes all of a batch or nothing: whether the mark that it expects was there. */
  write<S extends State>({ expected, state, deleted, added }: Batch<S>): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const transaction = this.#opened.transaction([ROWS, STATE], "readwrite", { durability: "relaxed" });
      const [rows, states] = [transaction.objectStore(ROWS), transaction.objectStore(STATE)];
      let isExpected = true;
      const apply = () => {
        try {
          if (expected === undefined) rows.clear();
          else for (const key of deleted) rows.delete(key);
          for (const row of added) rows.put(row);
          states.put(state, STATE_KEY);
        } catch (error) {
          // What a handler throws is an error of the page's.
          reject(error);
          transaction.abort();
        }
      };
      transaction.oncomplete = () => resolve(isExpected);
      transaction.onabort = () => reject(transaction.error);
      if (expected === undefined) return apply();
      const before = states.get(STATE_KEY) as IDBRequest<S | undefined>;
      before.onsuccess = () => {
        isExpected = before.result?.mark === expected;
        if (isExpected) apply();
      };
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
  };
  return promised(request);
}

function promised<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
