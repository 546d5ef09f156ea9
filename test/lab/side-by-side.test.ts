// Two labs on one machine at the same time, with the same ids and addresses: each is a world of its own,
// and the end of one changes nothing in the other.

import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, openLab } from "../../lab/lab";
import { answers, cloudOf, idOf, noTraces, soon, tracesOf } from "./lab-support";

const run = randomBytes(3).toString("hex");
// One name begins with the other, and must not be taken for it.
const one = openLab(`side-${run}`);
const two = openLab(`side-${run}-b`);

const place = { location: "nbg1" };

/** A machine with a volume, on which it writes whose it is. */
async function furnish(lab: Lab) {
  const { call, machine } = cloudOf(lab);
  const volume = idOf(
    await call("POST", "/volumes", { name: "v", size: 10, format: "ext4", ...place }),
    "volume",
  );
  const made = await machine(lab.paths.name);
  await call("POST", `/volumes/${volume}/actions/attach`, { server: made.id });
  await soon(lab, made.ipv4, 22);
  const dns_ptr = `${lab.paths.name}.example.test`;
  await call("POST", `/servers/${made.id}/actions/change_dns_ptr`, { ip: made.ipv4, dns_ptr });
  const device = `/dev/disk/by-id/scsi-0HC_Volume_${volume}`;
  await inside(lab, `mount ${device} /mnt && echo ${lab.paths.name} > /mnt/whose && sync`);
  return { ...made, volume };
}

async function inside(lab: Lab, command: string): Promise<string> {
  const { status, stdout, stderr } = await lab.exec(lab.paths.name, ["sh", "-c", command]);
  expect(status, stderr).toBe(0);
  return stdout.trim();
}

/** Everything by which one would notice that a lab was disturbed. */
const condition = async (lab: Lab) => ({
  status: await lab.status(),
  supervisor: readFileSync(join(lab.paths.state, "supervisor.pid"), "utf8"),
  gateway: readFileSync(join(lab.paths.state, "gateway.pid"), "utf8"),
  boot: await inside(lab, "cut -d' ' -f22 /proc/1/stat"),
  whose: await inside(lab, "cat /mnt/whose"),
  pointer: (await lab.inNetwork(["getent", "hosts", "198.18.1.10"])).stdout.trim().split(/\s+/)[1],
  loopDevices: (await tracesOf(lab)).loopDevices,
});

/** The first line that a port of this machine's loopback says; empty when it says nothing. */
const firstLine = (port: number): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("data", (part) => {
      resolve(part.toString().split("\r\n")[0] ?? "");
      socket.destroy();
    });
    socket.once("error", () => {});
    socket.once("close", () => resolve(""));
  });

type Furnished = Awaited<ReturnType<typeof furnish>>;
let inOne: Furnished;
let inTwo: Furnished;

describe.skipIf(process.getuid?.() !== 0)("two labs side by side", () => {
  beforeAll(async () => {
    await Promise.all([one.up(), two.up({ blockOutgoingMail: true })]);
    [inOne, inTwo] = await Promise.all([furnish(one), furnish(two)]);
  });

  afterAll(async () => {
    await Promise.all([one.down(), two.down()]);
  });

  it("have the same ids and addresses, and each reaches its own machine", async () => {
    expect(inOne).toEqual(inTwo);
    for (const lab of [one, two]) {
      const { name, agent } = lab.paths;
      const options = "-oBatchMode=yes -oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null";
      const ssh = ["ssh", ...options.split(" "), `root@${inOne.ipv4}`, "hostname; cat /mnt/whose"];
      const said = await lab.inNetwork(["env", `SSH_AUTH_SOCK=${agent}`, ...ssh]);
      expect(said.stdout).toBe(`${name}\n${name}\n`);
      expect((await condition(lab)).pointer).toBe(`${name}.example.test`);
    }
  });

  it("have forwarded ports of their own", async () => {
    const ports = await Promise.all([one, two].map((lab) => lab.forward(lab.paths.name, 22)));
    expect(new Set(ports).size).toBe(2);
    await expect(one.forward(two.paths.name, 22).then(firstLine)).resolves.toBe("");
    expect(await firstLine(ports[0] ?? 0)).toContain("SSH-2.0");
  });

  it("know nothing of a machine that only the other has", async () => {
    const { call, machine } = cloudOf(one);
    const extra = await machine("extra");
    await soon(one, extra.ipv4, 22);
    expect(await answers(two, extra.ipv4, 22)).toBe(false);
    expect((await two.status()).machines.map(({ name }) => name)).toEqual([two.paths.name]);
    await expect(cloudOf(two).call("GET", `/servers/${extra.id}`)).rejects.toThrow("not found");
    await call("DELETE", `/servers/${extra.id}`);
  });

  it("trust each its own certificate authorities, and not the other's", async () => {
    for (const [lab, other] of [
      [one, two],
      [two, one],
    ] as const) {
      const verify = (roots: string) =>
        lab.exec(
          lab.paths.name,
          ["openssl", "verify", "-CAfile", "/etc/ssl/certs/ca-certificates.crt"],
          { input: roots },
        );
      for (const name of readdirSync(lab.paths.ca)) {
        expect(await verify(readFileSync(join(lab.paths.ca, name), "utf8"))).toMatchObject({
          status: 0,
        });
      }
      for (const name of readdirSync(other.paths.ca)) {
        const { status, stderr } = await verify(readFileSync(join(other.paths.ca, name), "utf8"));
        expect(status).not.toBe(0);
        expect(stderr).toContain("self-signed certificate");
      }
    }
  });

  it("block outgoing mail each as it was told", async () => {
    const mail = (host: string) => `timeout 2 bash -c ': < /dev/tcp/${host}/25'; echo $?`;
    for (const host of ["198.19.25.1", "gmail-smtp-in.l.google.com"]) {
      expect(await inside(one, mail(host))).toBe("0");
      expect(await inside(two, mail(host))).toBe("124");
    }
  });

  it("are apart in their end: what is left of one is nothing, and the other is as it was", async () => {
    const before = await condition(two);
    await one.down();
    expect(await tracesOf(one)).toEqual(noTraces);
    expect(await condition(two)).toEqual(before);
    await soon(two, inTwo.ipv4, 22);
    await cloudOf(two).call("POST", `/servers/${inTwo.id}/actions/reboot`);
    await soon(two, inTwo.ipv4, 22);
  });
});
