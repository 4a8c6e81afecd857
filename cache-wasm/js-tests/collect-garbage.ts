import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");

/** Collects all garbage, weakly held objects of ended jobs included. */
export const collectGarbage = runInNewContext("gc") as () => void;
