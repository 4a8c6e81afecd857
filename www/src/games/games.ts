/**
 * The games on the strip: keys by game. A card is put together from the cache when it is drawn; a part whose read
 * misses is drawn as it was last, and the card is not current.
 */
import { parseGameKey } from "../live/scopes";
import { byPhase, type Card, cardOf, type Parts } from "./model";

interface Game {
  keys: Partial<Record<keyof Parts, string>>;
  last: Parts;
}

export interface Drawn {
  card: Card;
  current: boolean;
}

export class Games {
  readonly #games = new Map<string, Game>();
  readonly #read: (key: string) => unknown;

  constructor(read: (key: string) => unknown) {
    this.#read = read;
  }

  add(key: string): void {
    const parsed = parseGameKey(key);
    if (!parsed) return;
    let game = this.#games.get(parsed.pk);
    if (!game) {
      game = { keys: {}, last: { summary: undefined, live: undefined, play: undefined } };
      this.#games.set(parsed.pk, game);
    }
    game.keys[parsed.part] = key;
  }

  drop(key: string): void {
    const parsed = parseGameKey(key);
    const game = parsed && this.#games.get(parsed.pk);
    if (!game) return;
    delete game.keys[parsed.part];
    if (Object.keys(game.keys).length === 0) this.#games.delete(parsed.pk);
  }

  keepOnly(keys: ReadonlySet<string>, has: (key: string) => boolean): void {
    for (const game of [...this.#games.values()]) {
      for (const key of Object.values(game.keys)) if (!keys.has(key) && !has(key)) this.drop(key);
    }
  }

  /** The cards in the order of the strip; `missed` is told each key whose read missed. */
  draw(missed: (key: string) => void): Drawn[] {
    const drawn: Drawn[] = [];
    for (const [pk, game] of this.#games) {
      let current = true;
      const part = (name: keyof Parts): unknown => {
        const key = game.keys[name];
        if (key === undefined) return undefined;
        const value = this.#read(key);
        if (value !== undefined) return value;
        current = false;
        missed(key);
        return game.last[name];
      };
      game.last = { summary: part("summary"), live: part("live"), play: part("play") } as Parts;
      const card = cardOf(pk, game.last);
      if (card) drawn.push({ card, current });
    }
    return drawn.sort((a, b) => byPhase(a.card, b.card));
  }
}
