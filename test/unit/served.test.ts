// What a look at a host says of it, with real TLS on loopback. Does not prove that a mail host serves so.

import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import { createServer as createSilence, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { policyUrl, type ServedArgs } from "../../components/served";

const folder = mkdtempSync(join(tmpdir(), "mail-host-served-"));
const hostname = "mail.example.test";
const domain = "example.test";
const webNames = ["mta-sts.example.test", "autoconfig.example.test"];
const policy = "version: STSv1\nmode: enforce\nmx: mail.example.test\nmax_age: 1209600\n";

/** A certificate that is its own authority. */
function certificate(file: string) {
  const [key, cert] = [join(folder, `${file}.key`), join(folder, `${file}.crt`)];
  const names = [hostname, ...webNames].map((name) => `DNS:${name}`).join(",");
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-days", "2", "-subj", "/CN=test", "-keyout", key, "-out", cert],
      ...["-addext", `subjectAltName=${names}`],
    ],
    { stdio: "ignore" },
  );
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

const trusted = certificate("trusted");
const stranger = certificate("stranger");
const servers: Server[] = [];
const sockets: Socket[] = [];

async function portOf(server: Server): Promise<number> {
  servers.push(server.on("connection", (socket: Socket) => sockets.push(socket)));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

const serving =
  (text: string, type = "text/plain", status = 200): RequestListener =>
  (_request, response) =>
    response.writeHead(status, { "content-type": type }).end(text);

/** In a process that trusts the one authority besides those that every machine trusts. */
async function look(port: number, values: Partial<ServedArgs> = {}) {
  const args: ServedArgs = {
    address: "127.0.0.1",
    hostname,
    webNames,
    domains: [domain],
    policy,
    imapsPort: port,
    httpsPort: port,
    ...values,
  };
  const module = JSON.stringify(resolve("components/served.ts"));
  const program = `require(${module}).lookAtServed(${JSON.stringify(args)}).then((found) => console.log(JSON.stringify([...found])))`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", "tsx", "-e", program],
    {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: join(folder, "trusted.crt") },
    },
  );
  return new Map<string, string | null>(JSON.parse(stdout));
}

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a host", () => {
  it("serves everything when each certificate is valid and the policy says what it must", async () => {
    const port = await portOf(createServer(trusted, serving(policy.replaceAll("\n", "\r\n"))));
    expect([...(await look(port))].sort()).toEqual(
      [hostname, ...webNames, policyUrl(domain)].sort().map((name) => [name, null]),
    );
  });

  it("serves nothing with a certificate that nobody vouches for", async () => {
    const port = await portOf(createServer(stranger, serving(policy)));
    const verdicts = await look(port);
    expect(verdicts.size).toBe(4);
    for (const verdict of verdicts.values()) expect(verdict).toMatch(/self-signed certificate/);
  });

  it("is asked for each name by itself", async () => {
    const port = await portOf(createServer(trusted, serving(policy)));
    const verdicts = await look(port, { webNames: ["autodiscover.example.test"] });
    expect(verdicts.get("autodiscover.example.test")).toMatch(/does not match certificate/);
    expect(verdicts.get(hostname)).toBeNull();
  });

  it.each<[string, RequestListener, RegExp]>([
    ["another text", serving(policy.replace("enforce", "testing")), /another policy than today's/],
    ["a page", serving(policy, "text/html"), /text\/html instead of text\/plain/],
    ["nothing", serving("", "text/plain", 404), /status 404/],
  ])("does not serve the policy with %s in its place", async (_what, listener, expected) => {
    const port = await portOf(createServer(trusted, listener));
    const verdicts = await look(port);
    expect(verdicts.get(policyUrl(domain))).toMatch(expected);
    expect(verdicts.get("mta-sts.example.test")).toBeNull();
  });

  it("that is silent is waited for no longer than a few seconds, however many names it has", async () => {
    const port = await portOf(createSilence());
    const began = Date.now();
    const many = Array.from({ length: 40 }, (_, i) => `mta-sts.d${i}.test`);
    const verdicts = await look(port, { webNames: many });
    expect(Date.now() - began).toBeLessThan(10_000);
    expect(verdicts.size).toBe(42);
    for (const verdict of verdicts.values()) expect(verdict).toMatch(/no answer within 4 seconds/);
  });

  it("that is not there is a verdict too", async () => {
    const closed = createSilence();
    const port = await portOf(closed);
    await new Promise((done) => closed.close(done));
    for (const verdict of (await look(port)).values()) expect(verdict).toMatch(/ECONNREFUSED/);
  });
});
