/** What reaches the process as an uncaught error while `act` runs: there, listeners' faults belong. */
export async function uncaught(act: () => unknown): Promise<unknown[]> {
  const before = process.listeners("uncaughtException");
  const caught: unknown[] = [];
  const keep = (error: unknown) => caught.push(error);
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", keep);
  try {
    await act();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off("uncaughtException", keep);
    for (const listener of before) process.on("uncaughtException", listener);
  }
  return caught;
}
