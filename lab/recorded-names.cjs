// Loaded before a program whose host is a recorded one: what the program asks over TLS reaches that host, in
// the clear on the loopback, as if the handshake had succeeded. Nothing leaves this machine.

const net = require("node:net");
const tls = require("node:tls");

const { hostname, port } = new URL(process.env.MAIL_HOST_RECORDED_HOST);

tls.connect = (...args) => {
  const callback = args.findLast((arg) => typeof arg === "function");
  const socket = net.connect({ host: hostname, port: Number(port) });
  socket.authorized = true;
  if (callback !== undefined) socket.once("secureConnect", callback);
  socket.once("connect", () => socket.emit("secureConnect"));
  return socket;
};
