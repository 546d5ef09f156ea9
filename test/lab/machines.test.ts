// A machine as the emulated Hetzner Cloud boots it, over HTTP alone: what user data, addresses, volume,
// firewall and names do to a real Debian. Proves nothing of Hetzner's hardware.

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { attempt, until } from "../../lab/host/run";
import { openLab } from "../../lab/lab";
import { answers, cloudOf, idOf, noTraces, soon, tracesOf } from "./lab-support";

const lab = openLab(`test-${randomBytes(3).toString("hex")}`);

const { call, machine } = cloudOf(lab);

const inside = async (command: string): Promise<string> => {
  const { status, stdout, stderr } = await lab.exec("probe", ["sh", "-c", command]);
  if (status !== 0) throw new Error(`${command}: ${status}: ${stderr}${stdout}`);
  return stdout.trim();
};

let volume = 0;
let server = 0;
let ipv4 = "";
let ipv6 = "";

describe("a machine of the lab", () => {
  beforeAll(async () => {
    await lab.up();
    const place = { location: "nbg1" };
    const ip = (type: string) => ({
      name: type,
      type,
      assignee_type: "server",
      auto_delete: false,
      ...place,
    });
    const four = idOf(await call("POST", "/primary_ips", ip("ipv4")), "primary_ip");
    const six = idOf(await call("POST", "/primary_ips", ip("ipv6")), "primary_ip");
    volume = idOf(
      await call("POST", "/volumes", { name: "store", size: 10, format: "ext4", ...place }),
      "volume",
    );
    const userData = "#cloud-config\nwrite_files:\n- {path: /root/hello, content: hello}\n";
    const made = await machine("probe", {
      public_net: { enable_ipv4: true, enable_ipv6: true, ipv4: four, ipv6: six },
      user_data: Buffer.from(userData).toString("base64"),
    });
    ({ id: server, ipv4, ipv6 } = made);
    await soon(lab, ipv4, 22);
  });

  afterAll(() => lab.down());

  test("a command that runs inside when it shuts down does not hold it up", async () => {
    await inside("cloud-init status --wait");
    const waiting = lab.exec("probe", ["sleep", "300"], { timeoutSeconds: 100 });
    const before = await inside("cut -d' ' -f22 /proc/1/stat");
    await inside("systemctl --no-block reboot");
    expect((await waiting).status).not.toBe(0);
    await until("reboot", 60, async () => {
      const now = await lab
        .exec("probe", ["cut", "-d ", "-f22", "/proc/1/stat"])
        .catch(() => undefined);
      return now?.status === 0 && now.stdout.trim() !== before ? true : undefined;
    });
    await soon(lab, ipv4, 22);
  });

  test("its user data is carried out by cloud-init, also when it comes in base64", async () => {
    await inside("cloud-init status --wait");
    expect(await inside("cat /root/hello")).toBe("hello");
    expect(await inside("hostname")).toBe("probe");
  });

  test("its metadata service knows who asks", async () => {
    const id = await inside("curl -sf http://169.254.169.254/hetzner/v1/metadata/instance-id");
    expect(id).toBe(String(server));
    expect(
      (await lab.inNetwork(["curl", "-sf", "http://169.254.169.254/hetzner/v1/metadata"])).status,
    ).not.toBe(0);
  });

  test("the operator's key opens it over IPv4 and IPv6", async () => {
    const options = [
      "-o",
      "StrictHostKeyChecking=no",
      "-o",
      "UserKnownHostsFile=/dev/null",
      "-o",
      "BatchMode=yes",
    ];
    for (const address of [ipv4, ipv6]) {
      const agent = ["env", `SSH_AUTH_SOCK=${lab.paths.agent}`];
      const { stdout } = await lab.inNetwork([
        ...agent,
        "ssh",
        ...options,
        `root@${address}`,
        "hostname",
      ]);
      expect(stdout.trim()).toBe("probe");
    }
  });

  test("it has no way to the real internet", async () => {
    expect(await inside("curl -s -m 3 -o /dev/null http://1.1.1.1/ || echo closed")).toBe("closed");
    expect(
      await inside(
        "curl -s -m 3 -x http://198.18.0.3:3142 -o /dev/null -w '%{http_code}' http://example.net/",
      ),
    ).toBe("403");
  });

  test("a volume appears while it runs, refuses to go while mounted, and is there after a reboot", async () => {
    const device = `/dev/disk/by-id/scsi-0HC_Volume_${volume}`;
    await call("POST", `/volumes/${volume}/actions/attach`, { server, automount: false });
    await inside(`mount -o discard ${device} /mnt && echo kept > /mnt/file && fstrim /mnt`);
    await expect(call("POST", `/volumes/${volume}/actions/detach`)).rejects.toThrow(
      "still mounted",
    );
    await inside(`echo '${device} /mnt ext4 nofail,discard 0 0' >> /etc/fstab`);
    const boot = await inside("cat /proc/1/stat | cut -d' ' -f22");
    await inside("touch /root/before");
    await inside("systemctl --no-block reboot");
    await until("reboot", 60, async () => {
      const now = await lab
        .exec("probe", [
          "sh",
          "-c",
          "cut -d' ' -f22 /proc/1/stat && systemctl is-system-running --wait",
        ])
        .catch(() => undefined);
      const [started, state] = (now?.stdout ?? "").trim().split("\n");
      return state !== undefined && started !== boot ? true : undefined;
    });
    expect(await inside("cat /mnt/file && ls /root/before")).toBe("kept\n/root/before");
    await inside("umount /mnt && sed -i '/HC_Volume/d' /etc/fstab");
    await call("POST", `/volumes/${volume}/actions/detach`);
    await expect(inside(`ls ${device}`)).rejects.toThrow();
  });

  test("its power goes, and with it whatever was not synced to the volume", async () => {
    const device = `/dev/disk/by-id/scsi-0HC_Volume_${volume}`;
    await call("POST", `/volumes/${volume}/actions/attach`, { server, automount: false });
    await inside(`mount ${device} /mnt && echo safe > /mnt/synced && sync /mnt/synced`);
    await inside("sync -f /mnt && echo lost > /mnt/unsynced");
    await call("POST", `/servers/${server}/actions/poweroff`);
    await call("POST", `/servers/${server}/actions/poweron`);
    await soon(lab, ipv4, 22);
    expect(await inside(`mount ${device} /mnt && cat /mnt/synced && ls /mnt`)).toBe(
      "safe\nfile\nlost+found\nsynced",
    );
    await inside("umount /mnt");
    await call("POST", `/volumes/${volume}/actions/detach`);
  });

  test("its reverse name is the one that was set, for both families", async () => {
    for (const ip of [ipv4, ipv6]) {
      await call("POST", `/servers/${server}/actions/change_dns_ptr`, {
        ip,
        dns_ptr: "mail.example.test",
      });
      const { stdout } = await lab.inNetwork(["getent", "hosts", ip]);
      expect(stdout.trim().split(/\s+/)[1]).toBe("mail.example.test");
    }
  });

  test("a port of this machine's loopback leads to it", async () => {
    const port = await lab.forward("probe", 22);
    expect(await lab.forward("probe", 22)).toBe(port);
    const { stdout } = await attempt([
      "timeout",
      "3",
      "bash",
      "-c",
      `head -1 < /dev/tcp/127.0.0.1/${port}`,
    ]);
    expect(stdout).toContain("SSH-2.0");
  });

  test("a killed lab comes back with its machine, its firewall and what it held", async () => {
    const rules = [{ direction: "in", protocol: "tcp", port: "22", source_ips: ["0.0.0.0/0"] }];
    const apply_to = [{ type: "server", server: { id: server } }];
    await call("POST", "/firewalls", { name: "wall", rules, apply_to });
    const { pid } = z
      .object({ pid: z.number() })
      .parse(JSON.parse(readFileSync(`${lab.paths.state}/supervisor.pid`, "utf8")));
    process.kill(pid, "SIGKILL");
    await until("end", 10, () => (existsSync(`/proc/${pid}/exe`) ? undefined : true));
    await lab.up();
    await soon(lab, ipv4, 22);
    expect(await answers(lab, ipv6, 22)).toBe(false);
    expect(await inside("cat /root/before && cat /root/hello")).toBe("hello");
  });

  test("deleted, and the lab taken down, nothing of it is left", async () => {
    await call("DELETE", `/servers/${server}`);
    expect((await lab.status()).machines).toEqual([]);
    await lab.down();
    expect(await tracesOf(lab)).toEqual(noTraces);
  });
});
