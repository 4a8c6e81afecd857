/**
 * The race, step by step: a request reads the old value; the cache is told that there is a newer one; then the old answer
 * lands. Nothing depends on time: answers land when a step says so, and the next step waits until all is quiet.
 */

import { judge } from "./judge.mjs";
import { Origin } from "./origin.mjs";

/** Held before, by a refetch's cache; read by the request in flight; and what the cache is told of. */
const [BEFORE, OLD, NEW] = [1, 2, 3];

/** How the cache is told. */
export const EVENTS = {
  invalidation: "the key is invalidated",
  tag: "a tag of the value is invalidated",
  scope: "all keys under a prefix are invalidated",
  push: "the newer value is pushed",
  reset: "anything may have changed, as after a reconnect",
};

/**
 * @typedef {object} Cell
 * @property {keyof typeof EVENTS} event
 * @property {boolean} isMounted Whether something observes the key throughout.
 * @property {boolean} isRefetch Whether a value was there already.
 * @property {boolean} isConcurrent Whether others ask for the key: one more before the event, and one after it.
 * @property {boolean} isNewFirst Where the cache asks again at once: whether that answer lands first.
 *
 * @typedef {object} Listener Who is given values: a caller its answer, an observer every one that it is to show.
 * @property {(version: number | undefined) => void} given
 * @property {(error: unknown) => void} failed
 * @property {() => void} left It waits no more.
 *
 * @typedef {object} Subject One cache of one value.
 * @property {(listener: Listener) => void | Promise<void>} ask An ordinary read, by who waits for its answer.
 * @property {(listener: Listener) => void | Promise<void>} refresh The same, past what is held.
 * @property {((listener: Listener) => Observer | Promise<Observer>)=} mount Starts to observe the key, and reads it as it is
 *   usual. Without it, nothing can.
 * @property {((listener: Listener) => void | Promise<void>)=} remount For a library whose readers are all observers: one who
 *   comes when all is over, and stays.
 * @property {() => boolean} isMarked Whether the library says of what it holds that it is stale.
 * @property {Record<keyof typeof EVENTS, (version: number) => void | Promise<void>>} tell
 * @property {() => void} close
 *
 * @typedef {{ current(): number | undefined, isMarked(): boolean }} Observer
 *
 * @typedef {object} Names What is asked for, and what it is named by.
 * @property {string} key
 * @property {string} scope
 * @property {string} tag
 *
 * @typedef {object} Column A library as it is configured.
 * @property {string} name
 * @property {string} from The npm package.
 * @property {boolean} canMount
 * @property {(origin: Origin, names: Names, isMounted: boolean) => Subject | Promise<Subject>} open
 * @property {number=} rest Milliseconds between the scenario's parts, for a library that takes requests close to each other
 *   for one.
 */

/** All cells of one column. */
export function cells() {
  /** @type {Cell[]} */
  const all = [];
  const both = [false, true];
  for (const event of /** @type {(keyof typeof EVENTS)[]} */ (Object.keys(EVENTS))) {
    for (const isMounted of [true, false]) {
      for (const isRefetch of both) {
        for (const isConcurrent of both) {
          for (const isNewFirst of both) all.push({ event, isMounted, isRefetch, isConcurrent, isNewFirst });
        }
      }
    }
  }
  return all;
}

/** Someone who asks. */
class Caller {
  /** @type {import("./judge.mjs").Call} */
  call = { given: [], error: undefined, isWaiting: true };
  /** @type {Listener} */
  listener;

  /** @param {() => boolean} isTold Only from then on it matters what a caller is given. */
  constructor(isTold) {
    const { call } = this;
    this.listener = {
      given(version) {
        if (isTold()) call.given.push(version);
        call.isWaiting = false;
      },
      failed(error) {
        call.error = String(error);
        call.isWaiting = false;
      },
      left() {
        call.isWaiting = false;
      },
    };
  }
}

/**
 * Runs one cell.
 *
 * @param {Cell} cell
 * @param {Column} column
 * @param {number} number Of this run: no two share a name.
 * @param {() => Promise<void>} turn Lets everything run that is due.
 */
export async function run(cell, column, number, turn) {
  const { event, isMounted, isRefetch, isConcurrent, isNewFirst } = cell;
  const names = { key: `sport:c${number}:props:1`, scope: `sport:c${number}:props:`, tag: `c${number}` };
  const origin = new Origin();
  const subject = await column.open(origin, names, isMounted);
  let isTold = false;
  /** @type {(number | undefined)[]} */
  const shown = [];
  /** @type {number | undefined} */
  let last;
  /** @type {Listener} */
  const observing = {
    given(version) {
      if (isTold && version !== last) shown.push(version);
      last = version;
    },
    failed() {},
    left() {},
  };
  /** @type {Observer | undefined} */
  let observer;
  // It is looked at as well, for what it shows without being handed it.
  const look = async () => {
    await turn();
    if (observer !== undefined) observing.given(observer.current());
  };
  const settle = () => quiet(origin, look);
  const rest = async () => {
    if (column.rest !== undefined) await new Promise((resolve) => setTimeout(resolve, column.rest));
    await settle();
  };
  const mount = async () => {
    observer = await /** @type {NonNullable<Subject["mount"]>} */ (subject.mount)(observing);
  };
  const asking = async (isForced = false) => {
    const caller = new Caller(() => isTold);
    await (isForced ? subject.refresh(caller.listener) : subject.ask(caller.listener));
    return caller;
  };

  try {
    if (isRefetch) {
      origin.version = BEFORE;
      if (isMounted) await mount();
      else await asking();
      await settle();
      await land(origin, settle);
      await rest();
    }

    origin.version = OLD;
    origin.position = "1:2";
    /** @type {Caller[]} */
    const earlier = [];
    if (isMounted && !isRefetch) await mount();
    else earlier.push(await asking(isRefetch));
    await settle();
    if (isConcurrent) earlier.push(await asking(isRefetch));
    await settle();
    const inFlight = origin.held.length;
    if (inFlight === 0) throw new Error("no request is in flight: there is no race");

    origin.version = NEW;
    origin.position = event === "reset" ? "2:1" : "1:3";
    isTold = true;
    await subject.tell[event](NEW);
    await settle();
    const askedAtOnce = origin.held.filter(({ version }) => version === NEW).length;
    const later = isConcurrent ? [await asking()] : [];
    await settle();

    if (isNewFirst) {
      await land(origin, settle, NEW);
      await land(origin, settle, OLD);
    } else {
      await land(origin, settle, OLD);
    }
    await land(origin, settle);

    const shows = observer && { value: observer.current(), isMarked: observer.isMarked() };
    const isMarked = subject.isMarked();
    await rest();
    const requests = origin.requests.length;
    const reader = new Caller(() => true);
    await (subject.remount ?? subject.ask)(reader.listener);
    await settle();
    const isAsked = origin.requests.length > requests;
    const [atOnce] = reader.call.given;
    await land(origin, settle);

    const observed = {
      told: NEW,
      shown: [...shown],
      earlier: earlier.map(({ call }) => call),
      later: later.map(({ call }) => call),
      observer: shows,
      read: { ...reader.call, atOnce, isAsked, isMarked },
    };
    return { ...judge(observed), observed, inFlight, askedAtOnce };
  } finally {
    subject.close();
  }
}

/**
 * Lets answers land, those of one version or all, and what is asked for upon them.
 *
 * @param {Origin} origin
 * @param {() => Promise<void>} settle
 * @param {number} [version]
 */
async function land(origin, settle, version) {
  for (let round = 0; round < 20; round++) {
    const due = origin.held.filter((request) => version === undefined || request.version === version);
    if (due.length === 0) return;
    for (const request of due) request.land();
    await settle();
  }
  throw new Error("it asks again without end");
}

/**
 * Waits until nothing has been asked for during some turns.
 *
 * @param {Origin} origin
 * @param {() => Promise<void>} turn
 */
async function quiet(origin, turn) {
  let requests = -1;
  let calm = 0;
  while (calm < 4) {
    calm = requests === origin.requests.length ? calm + 1 : 0;
    requests = origin.requests.length;
    await turn();
  }
}
