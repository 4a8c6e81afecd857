import type { ClockSource } from "cache-wasm";

/** Both clocks, moved by hand. The cache holds a reading until its microtask ends: `advance` is awaited. */
export class FakeClock implements ClockSource {
  #monotonic = 1_000;
  #wall = 1_700_000_000_000;
  readings = 0;

  monotonic(): number {
    this.readings++;
    return this.#monotonic;
  }

  wall(): number {
    return this.#wall;
  }

  async advance(milliseconds: number): Promise<void> {
    await this.drift(milliseconds, milliseconds);
  }

  /** Moves the two clocks apart. */
  async drift(monotonic: number, wall: number): Promise<void> {
    this.#monotonic += monotonic;
    this.#wall += wall;
    await Promise.resolve();
  }
}
