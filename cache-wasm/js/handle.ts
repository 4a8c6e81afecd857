/**
 * A key that is read again and again, as by a component: bound to its entry, a read needs no lookup. The entry that a
 * handle is bound to is pinned: the core does not evict it. It may still expire, change or be invalidated; the handle
 * then reads `undefined` and binds again once the key is back.
 */

import type { Category } from "./category.js";
import { type Entry, NOBODY } from "./entry.js";

/** What is to be given back for a handle that was dropped unreleased. It must not lead to the handle. */
interface Pin {
  entry: Entry;
}

let dropped: FinalizationRegistry<Pin> | undefined;

export class Handle<T = unknown> {
  readonly key: string;
  // Declared for the reason that `Entry` has.
  private declare entry: Entry;
  private declare readonly category: Category;
  private declare readonly pin: Pin;
  private declare released: boolean;

  static {
    // Where the platform knows `using`.
    const { dispose } = Symbol as { dispose?: symbol };
    if (dispose !== undefined) Object.defineProperty(Handle.prototype, dispose, { value: Handle.prototype.release });
  }

  /** @internal Use `category.handle(key)`. */
  constructor(category: Category, key: string) {
    this.key = key;
    this.entry = NOBODY;
    this.category = category;
    this.pin = { entry: NOBODY };
    this.released = false;
    dropped ??= new FinalizationRegistry(unpin);
    dropped.register(this, this.pin, this.pin);
    this.bound();
  }

  /** The value, or `undefined` when there is none that may be read now: what `get` of the key gives, and counts. */
  get value(): T | undefined {
    const { entry, category } = this;
    const now = category.clock.moment;
    if (now < entry.until && now < entry.lease.until) {
      category.count(entry);
      return entry.value as T;
    }
    return category.read(this.bound()) as T | undefined;
  }

  /** Ends the pin. From then on the handle reads `undefined`. */
  release(): void {
    if (this.released) return;
    this.released = true;
    this.entry = NOBODY;
    dropped?.unregister(this.pin);
    unpin(this.pin);
  }

  /** The key's entry, if it has one: the same as long as it stays, else the one that is there now. */
  private bound(): Entry | undefined {
    if (this.entry.slot < 0 && !this.released) {
      const found = this.category.index.get(this.key);
      if (found !== undefined) this.category.host.hold(found);
      // To pin is to flush, and that may evict what was found.
      this.entry = found !== undefined && found.slot >= 0 ? found : NOBODY;
      this.pin.entry = this.entry;
    }
    return this.entry === NOBODY ? undefined : this.entry;
  }
}

function unpin(pin: Pin): void {
  const { entry } = pin;
  pin.entry = NOBODY;
  if (entry !== NOBODY) entry.category.host.release(entry);
}
