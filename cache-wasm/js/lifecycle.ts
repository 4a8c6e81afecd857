/**
 * When a page wakes: shown again, restored from the back/forward cache, resumed from a freeze, or back online. And when it
 * goes to sleep: frozen, or left, perhaps for the back/forward cache.
 */

export interface LifecycleEvents {
  woke(): void;
  online(): void;
  sleeps(): void;
}

/** Listens where there is a page; the returned function stops. */
export function watchLifecycle(events: LifecycleEvents): () => void {
  const target = globalThis as Partial<Pick<Window, "addEventListener" | "removeEventListener">>;
  if (typeof document === "undefined" || target.addEventListener === undefined) return () => {};
  const woke = () => events.woke();
  // A page that is left is hidden after it was told to sleep.
  const shown = () => {
    if (document.visibilityState !== "hidden") events.woke();
  };
  const online = () => events.online();
  const sleeps = () => events.sleeps();
  const page = target as Window;
  document.addEventListener("visibilitychange", shown);
  document.addEventListener("resume", woke);
  page.addEventListener("pageshow", woke);
  page.addEventListener("online", online);
  document.addEventListener("freeze", sleeps);
  page.addEventListener("pagehide", sleeps);
  return () => {
    document.removeEventListener("visibilitychange", shown);
    document.removeEventListener("resume", woke);
    page.removeEventListener("pageshow", woke);
    page.removeEventListener("online", online);
    document.removeEventListener("freeze", sleeps);
    page.removeEventListener("pagehide", sleeps);
  };
}
