import { expect, it } from "vitest";
import { type Horizon, share } from "../../src/live/audit";

it("says 100 % only where no read was older than announced", () => {
  const check = (consistency: number | null, expected: string) => expect(share({ consistency } as Horizon)).toBe(expected);
  check(null, "–");
  check(1, "100 %");
  check(0.99999, "99.9 %");
  check(0.5, "50 %");
});
