// Byte streams across the lab's border: unix sockets reach through network namespaces, so the border
// itself needs no link. Packages come in from the gateway; forwarded ports go in to machines.

import * as net from "node:net";

const join = (one: net.Socket, other: net.Socket): void => {
  one.pipe(other);
  other.pipe(one);
  one.on("error", () => other.destroy());
  other.on("error", () => one.destroy());
  one.on("close", () => other.destroy());
  other.on("close", () => one.destroy());
};

/** Listens on an address and hands every connection on to a unix socket. */
export function relayToSocket(host: string, port: number, socketPath: string): Promise<net.Server> {
  const server = net.createServer((client) => join(client, net.connect(socketPath)));
  return listening(server, () => server.listen(port, host));
}

/** Listens on a loopback port and hands every connection to a tunnel, with its destination. */
export function forwardPort(
  socketPath: string,
  machine: string,
  machinePort: number,
  localPort = 0,
): Promise<net.Server> {
  const server = net.createServer((client) => {
    const tunnel = net.connect(socketPath);
    tunnel.write(`${machine} ${machinePort}\n`);
    join(client, tunnel);
  });
  return listening(server, () => server.listen(localPort, "127.0.0.1"));
}

/** Takes tunnels: reads the destination's line, connects to it, joins the two. */
export function serveTunnels(
  socketPath: string,
  source: string,
  addressOf: (machine: string) => string | undefined,
): Promise<net.Server> {
  const server = net.createServer((tunnel) => {
    let head = Buffer.alloc(0);
    tunnel.on("error", () => tunnel.destroy());
    const read = (part: Buffer): void => {
      head = Buffer.concat([head, part]);
      const end = head.indexOf(10);
      if (end < 0) {
        if (head.length > 200) tunnel.destroy();
        return;
      }
      tunnel.off("data", read);
      tunnel.pause();
      const [machine = "", port = ""] = head.subarray(0, end).toString().split(" ");
      const address = addressOf(machine);
      if (address === undefined) {
        tunnel.destroy();
        return;
      }
      const target = net.connect({ host: address, port: Number(port), localAddress: source });
      target.write(head.subarray(end + 1));
      join(tunnel, target);
    };
    tunnel.on("data", read);
  });
  return listening(server, () => server.listen(socketPath));
}

function listening(server: net.Server, listen: () => void): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", () => {
      server.off("error", reject);
      server.on("error", () => {});
      resolve(server);
    });
    listen();
  });
}
