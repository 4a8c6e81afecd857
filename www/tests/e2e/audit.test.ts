/** The auditor of the page's side: the real package in Node, a real server, and a proxy that answers reads with old values. */

import { spawn } from "node:child_process";
import { createServer, request, type IncomingMessage, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";

import { afterEach, expect, it } from "vitest";
import { type Running, startEdge, stopAll } from "./servers.js";

const SCRIPT = fileURLToPath(new URL("../../../cache-wasm/audit/audit.mjs", import.meta.url));
const proxies: Server[] = [];

afterEach(async () => {
  for (const proxy of proxies.splice(0)) proxy.closeAllConnections(), proxy.close();
  await stopAll();
});

/** Audits for four seconds, in which two keys change all the time and one changes once. */
async function audit(edge: Running, url: string): Promise<{ code: number | null; said: string }> {
  const node = spawn(process.execPath, [SCRIPT, "--url", url, "--seconds", "4", "--scope", "sport:mlb:"], { stdio: "pipe" });
  let said = "";
  node.stdout.on("data", (text: Buffer) => (said += text.toString()));
  node.stderr.on("data", (text: Buffer) => (said += text.toString()));
  const ended = new Promise<number | null>((resolve) => node.once("close", resolve));
  let going = true;
  const writing = (async () => {
    for (let n = 0; going; n++) {
      const key = n % 3 === 2 ? `sport:mlb:once:${n}` : `sport:mlb:often:${n % 3}`;
      await fetch(`${edge.url}/v1/entries/${key}`, { method: "PUT", body: String(n) });
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
  })();
  const code = await ended;
  going = false;
  await writing;
  return { code, said };
}

/** Passes everything on; a read of a key is answered as the first one was, under today's position. */
async function lagging(edge: Running): Promise<string> {
  const first = new Map<string, { body: string; version: string }>();
  const target = new URL(edge.url);
  const proxy = createServer((asked, answer) => {
    const parts: Buffer[] = [];
    asked.on("data", (part: Buffer) => parts.push(part));
    asked.on("end", () => {
      const { method, headers } = asked;
      const passed = request(new URL(asked.url ?? "/", target), { method: method ?? "GET", headers }, (response) => {
        const received: Buffer[] = [];
        response.on("data", (part: Buffer) => received.push(part));
        response.on("end", () => {
          const read = { body: Buffer.concat(received), headers: { ...response.headers } };
          const version = response.headers["cache-version"];
          if (method === "GET" && asked.url?.startsWith("/v1/entries/") === true && typeof version === "string") {
            const old = first.get(asked.url) ?? { body: read.body.toString(), version };
            first.set(asked.url, old);
            read.body = Buffer.from(old.body);
            read.headers = { ...read.headers, "cache-version": old.version, "content-length": String(read.body.length) };
          }
          answer.writeHead(response.statusCode ?? 502, read.headers);
          answer.end(read.body);
        });
      });
      passed.on("error", () => answer.destroy());
      passed.end(Buffer.concat(parts));
    });
  });
  // The stream is passed on byte for byte.
  proxy.on("upgrade", (asked: IncomingMessage, socket, head) => {
    const server = connect(Number(target.port), target.hostname, () => {
      const lines = asked.rawHeaders.flatMap((name, i, all) => (i % 2 === 0 ? [`${name}: ${all[i + 1]}`] : []));
      server.write(`GET ${asked.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      server.write(head);
      server.pipe(socket).pipe(server);
    });
    server.on("error", () => socket.destroy());
    socket.on("error", () => server.destroy());
  });
  proxies.push(proxy);
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

it("a server that tells the truth is consistent", async () => {
  const edge = await startEdge();
  const { code, said } = await audit(edge, edge.url);
  expect(said).toMatch(/^cache {2}1 s {2}100 % of [1-9]/m);
  expect(said).toMatch(/^http {3}1 s {2}100 % of [1-9]/m);
  expect(said).toMatch(/audit: consistent, \d+ checks, 0 violations/);
  expect(code, said).toBe(0);
});

it("reads that lag are violations, with their traces", async () => {
  const edge = await startEdge();
  const { code, said } = await audit(edge, await lagging(edge));
  expect(said).toMatch(/violation: \{"way":"http","why":"version \d+ was read, older than \d+:\d+","key":"sport:mlb:often:/);
  expect(said).toMatch(/audit: inconsistent, /);
  expect(code, said).toBe(1);
});
