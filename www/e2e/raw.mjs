/**
 * Pages that Playwright does not attend to. It tells each of its own that it has the focus; such a page is never hidden,
 * and what is not hidden cannot be frozen.
 */

/**
 * A browser context with pages that can be frozen.
 *
 * @param {import("playwright-core").Browser} browser
 */
export async function rawContext(browser) {
  const client = await browser.newBrowserCDPSession();
  const { browserContextId } = await client.send("Target.createBrowserContext");

  /**
   * Opens a page, and runs a script in it before any of its own.
   *
   * @param {string} url
   * @param {string} script
   */
  async function open(url, script) {
    const { targetId } = await client.send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await client.send("Target.attachToTarget", { targetId, flatten: false });
    /** @type {Map<number, (answer: {result?: any, error?: {message: string}}) => void>} */
    const asked = new Map();
    let last = 0;
    client.on("Target.receivedMessageFromTarget", (event) => {
      if (event.sessionId !== sessionId) return;
      const { id, ...answer } = JSON.parse(event.message);
      asked.get(id)?.(answer);
      asked.delete(id);
    });
    const send = async (/** @type {string} */ method, /** @type {object} */ params = {}) => {
      const id = ++last;
      const answered = new Promise((/** @type {(answer: {result?: any, error?: {message: string}}) => void} */ resolve) => {
        asked.set(id, resolve);
      });
      await client.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method, params }) });
      const { result, error } = await answered;
      if (error !== undefined) throw new Error(`${method}: ${error.message}`);
      return result;
    };
    await send("Page.enable");
    await send("Page.addScriptToEvaluateOnNewDocument", { source: script });
    await send("Page.navigate", { url });
    return {
      /**
       * As Playwright's.
       *
       * @template A, T
       * @param {(given: A) => T} run
       * @param {A} [given]
       * @returns {Promise<T>}
       */
      async evaluate(run, given) {
        const expression = `(${run})(${JSON.stringify(given)})`;
        const { result, exceptionDetails } = await send("Runtime.evaluate", { expression, returnByValue: true });
        if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
        return result.value;
      },
      freeze: () => send("Page.setWebLifecycleState", { state: "frozen" }),
      resume: () => send("Page.setWebLifecycleState", { state: "active" }),
      /** It hangs, as in a long computation, until it may proceed. */
      async pause() {
        await send("Debugger.enable");
        await send("Debugger.pause");
      },
      async proceed() {
        await send("Debugger.resume");
        await send("Debugger.disable");
      },
    };
  }

  const close = () => client.send("Target.disposeBrowserContext", { browserContextId });
  return { open, close };
}
