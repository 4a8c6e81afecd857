/** When a page wakes: shown again, restored from the back/forward cache, resumed from a freeze, or back online. */

export interface LifecycleEvents {
  woke(): void;
  online(): void;
}

/** Listens where there is a page; the returned function stops. */
export function watchLifecycle(events: LifecycleEvents): () => void {
  const target = globalThis as Partial<Pick<Window, "addEventListener" | "removeEventListener">>;
  if (typeof document === "undefined" || target.addEventListener === undefined) return () => {};
  const woke = () => events.woke();
  const online = () => events.online();
  const page = target as Window;
  document.addEventListener("visibilitychange", woke);
  document.addEventListener("resume", woke);
  page.addEventListener("pageshow", woke);
  page.addEventListener("online", online);
  return () => {
    document.removeEventListener("visibilitychange", woke);
    document.removeEventListener("resume", woke);
    page.removeEventListener("pageshow", woke);
    page.removeEventListener("online", online);
  };
}
