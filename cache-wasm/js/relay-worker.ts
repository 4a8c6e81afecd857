/** The SharedWorker: a relay for each url and token, and a seat for each tab that comes. */

// @ts-ignore: written by the build beside this file's output
import start, { Relay } from "./relay/relay.js";
import { FORM, type RelayCore, RelayHost, type Seat, type Up } from "./relay-host.js";

/** The first message says what to relay; the tab sends no other before it has a seat. */
export type Greeting = ["relay", url: string, token: string | undefined, form: number];

const hosts = new Map<string, RelayHost>();
const started = (start as () => Promise<unknown>)();

function hostOf(url: string, token: string | undefined): RelayHost {
  const name = JSON.stringify([url, token]);
  let host = hosts.get(name);
  if (host === undefined) {
    host = new RelayHost(new (Relay as new (token?: string) => RelayCore)(token), url);
    hosts.set(name, host);
  }
  return host;
}

(globalThis as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = ({ ports }) => {
  const port = ports[0]!;
  let seat: Seat | undefined;
  port.onmessage = ({ data }: MessageEvent<Greeting | Up>) => {
    if (data[0] !== "relay") return seat?.take(data);
    const [, url, token, form] = data;
    // The worker of an earlier version may live on under the same address.
    if (form !== FORM) return port.postMessage(["failed"]);
    started.then(
      () => (seat = hostOf(url, token).seat((down) => port.postMessage(down))),
      () => port.postMessage(["failed"]),
    );
  };
};
