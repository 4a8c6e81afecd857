/** The real server and the simulated upstream, as processes of a test's own on free ports. */

import { type ChildProcess, spawn } from "node:child_process";
import { connect, createServer, type Server, type Socket } from "node:net";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const BINARIES = {
  "edge-server": process.env["EDGE_SERVER_BIN"] ?? `${ROOT}target/debug/edge-server`,
  upstream: process.env["UPSTREAM_BIN"] ?? `${ROOT}target/debug/examples/upstream`,
};

export interface Running {
  url: string;
  /** Ends it; resolves when it has. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const running = new Set<Running>();

/** Starts a program and waits for the line that says where it listens. */
export function start(name: keyof typeof BINARIES, parameters: string[]): Promise<Running> {
  const child = spawn(BINARIES[name], parameters, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return new Promise((resolve, reject) => {
    let said = "";
    let complained = "";
    child.stderr.on("data", (text: Buffer) => (complained = (complained + text.toString()).slice(-4_000)));
    child.stdout.on("data", (text: Buffer) => {
      said += text.toString();
      const url = / listening on (http:\S+)/.exec(said)?.[1];
      if (url === undefined) return;
      const server = { url, stop: (signal?: NodeJS.Signals) => stop(child, ended, signal).finally(() => running.delete(server)) };
      running.add(server);
      resolve(server);
    });
    child.once("error", reject);
    child.once("close", (code) => reject(new Error(`${name} ended with ${code}: ${complained}`)));
  });
}

async function stop(child: ChildProcess, ended: Promise<void>, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  child.kill(signal);
  await ended;
}

/** Ends whatever a test left running. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((server) => server.stop("SIGKILL")));
}

/** A port that nothing listens on, for a server that is to come back to the same one. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => (typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}

/** An edge server with the built page. */
export function startEdge(settings: Record<string, string> = {}, port = 0): Promise<Running> {
  const set = Object.entries({ "www": `${ROOT}www/dist`, ...settings }).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  return start("edge-server", ["--listen", `127.0.0.1:${port}`, ...set]);
}

/** The settings of an edge server that polls this upstream often. */
export function polling(upstream: Running): Record<string, string> {
  return {
    "sources.mlb.enabled": "true",
    "sources.mlb.base_url": upstream.url,
    "sources.mlb.poll_ms": "200",
    "sources.prizepicks.enabled": "true",
    "sources.prizepicks.base_url": upstream.url,
    "sources.prizepicks.poll_ms": "200",
  };
}

export interface Proxy {
  url: string;
  cut(): void;
  /** Whether it cuts all that comes, too. */
  block(is: boolean): void;
  close(): void;
}

/** Passes connections on, and can cut them all. */
export function proxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let isBlocked = false;
  const server: Server = createServer((near) => {
    if (isBlocked) return near.destroy();
    const far = connect(Number(port), hostname);
    for (const [from, to] of [[near, far], [far, near]] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  const cut = () => sockets.forEach((socket) => socket.destroy());
  const block = (is: boolean) => {
    isBlocked = is;
    if (is) cut();
  };
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (typeof address !== "object" || address === null) throw new Error("no port");
      resolve({ url: `http://127.0.0.1:${address.port}`, cut, block, close: () => (cut(), server.close()) });
    });
  });
}
