/** What the reader sees when the page cannot start at all. */

export function Failure({ error }: { error: unknown }) {
  const text = error instanceof Error ? error.message : String(error);
  const webAssembly = typeof WebAssembly === "object";
  return (
    <main class="boot">
      <div role="alert">
        <h1>The live board could not start</h1>
        <p>
          {webAssembly
            ? "The cache that the board reads from did not load. The server may be restarting, or a file of the page may be missing."
            : "This browser has no WebAssembly, for which the board’s cache is built. A current browser will do."}
        </p>
        <pre>{text}</pre>
      </div>
      {webAssembly && (
        <button type="button" class="button" onClick={() => location.reload()}>
          Try again
        </button>
      )}
    </main>
  );
}
