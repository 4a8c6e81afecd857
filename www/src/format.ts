/** Numbers and times as the page writes them. Pure; times are milliseconds. */

const whole = new Intl.NumberFormat("en-US");
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export function count(n: number): string {
  return whole.format(n);
}

export function short(n: number): string {
  return compact.format(n);
}

/** A line keeps its quarter: 24.5, 7, 0.25. */
export function line(n: number): string {
  if (!Number.isFinite(n)) return "–";
  return String(Math.round(n * 100) / 100);
}

export function signed(n: number): string {
  return n > 0 ? `+${line(n)}` : `−${line(-n)}`;
}

/** "4s", "2m 05s", "1h 10m": as exact as an age is worth reading. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${String(seconds % 60).padStart(2, "0")}s`;
  return `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, "0")}m`;
}

/** How long ago the server vouched: tenths below ten seconds. */
export function ago(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s ago` : `${age(ms)} ago`;
}

/** A short time: tenths below ten milliseconds. Clocks that are compared may say a little less than nothing. */
export function milliseconds(ms: number): string {
  return `${Math.max(0, ms).toFixed(ms < 10 ? 1 : 0)} ms`;
}

export function bytes(n: number): string {
  if (n < 1024) return `${n} B`;
  if (n < 1024 * 1024) return `${(n / 1024).toFixed(n < 10 * 1024 ? 1 : 0)} KiB`;
  return `${(n / 1024 / 1024).toFixed(1)} MiB`;
}

/** A share of 1; "–" where there is nothing to share. */
export function percent(part: number, all: number): string {
  return all === 0 ? "–" : `${((100 * part) / all).toFixed(1)}%`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const clockSeconds = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit", second: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const dayMonth = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

export function timeOfDay(ms: number): string {
  return clockSeconds.format(ms);
}

/** A start: the hour today, with the weekday within a week, else with the date. */
export function start(ms: number, now: number): string {
  if (!Number.isFinite(ms)) return "";
  const hour = clock.format(ms);
  if (new Date(ms).toDateString() === new Date(now).toDateString()) return hour;
  const days = Math.abs(ms - now) / 86_400_000;
  return `${(days < 6 ? weekday : dayMonth).format(ms)} ${hour}`;
}

/** `epoch:offset` with a long epoch cut, so that it fits beside its scope. */
export function position(text: string): string {
  const colon = text.lastIndexOf(":");
  const epoch = text.slice(0, colon);
  return epoch.length <= 8 ? text : `${epoch.slice(0, 6)}…${text.slice(colon)}`;
}
