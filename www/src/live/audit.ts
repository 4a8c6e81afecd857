/** What the server's auditor found: asked for every few seconds, and shown in the panel. */
import { signal } from "@preact/signals";

const EVERY_MS = 5_000;

/** Reads of sampled changes, so long after the change. */
export interface Horizon {
  after_ms: number;
  consistent: number;
  superseded: number;
  unknown: number;
  violations: number;
  /** The share of all but the unknown that read nothing older than announced, 0 to 1; null before the first. */
  consistency: number | null;
}

export class Audit {
  /** Undefined until the server has said something, and where nothing is audited. */
  readonly horizons = signal<readonly Horizon[] | undefined>(undefined);
  #timer: ReturnType<typeof setInterval> | undefined;

  start(): void {
    this.#timer = setInterval(() => void this.#ask(), EVERY_MS);
    void this.#ask();
  }

  async #ask(): Promise<void> {
    try {
      const response = await fetch("/v1/audit");
      // It is turned off there, and will be for as long as the server runs.
      if (response.status === 404) clearInterval(this.#timer);
      this.horizons.value = response.ok ? ((await response.json()) as { horizons: Horizon[] }).horizons : undefined;
    } catch {
      // The server is away: what it found before is still true of then.
    }
  }
}

/** How many of which something can be said. */
export function judged({ consistent, superseded, violations }: Horizon): number {
  return consistent + superseded + violations;
}

/** The consistent share as a percentage: rounded down, because one violation of many is not 100 %. */
export function share({ consistency }: Horizon): string {
  return consistency === null ? "–" : `${Math.floor(consistency * 1000) / 10} %`;
}
