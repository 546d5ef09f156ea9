// A lab whose `up` is killed at random moments, with or without what it had started: the next command
// repairs it, or removes it without a trace. LAB_KILL_SEED repeats the moments of a former run.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { labTokens } from "../../lab/engine-run";
import { ownProgram, runningPid, signal } from "../../lab/host/processes";
import { attempt, pause, run } from "../../lab/host/run";
import { openLab } from "../../lab/lab";
import { cloudOf, idOf, noTraces, soon, tracesOf } from "./lab-support";

const rounds = 4;
const seed = process.env.LAB_KILL_SEED || randomBytes(4).toString("hex");
const lab = openLab(`killed-${randomBytes(3).toString("hex")}`);

const command = (verb: readonly string[]): string[] =>
  ownProgram(join("lab", "cli.ts"), ["--name", lab.paths.name, ...verb]);

/** Numbers from 0 to 1 that only the seed decides (mulberry32). */
function randomFrom(text: string): () => number {
  let state = Number.parseInt(text, 16);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Kills what a lab has started, by its marks. */
async function kill(victims: readonly string[]): Promise<void> {
  for (const victim of victims) {
    const pid = await runningPid(join(lab.paths.state, `${victim}.pid`));
    if (pid !== undefined) signal(pid, "SIGKILL");
  }
}

/** Starts `up`, and kills it with all its children after so long, and the victims with it. */
async function killedUp(
  { moment, victims }: { readonly moment: number; readonly victims: readonly string[] },
  ...flags: readonly string[]
): Promise<void> {
  const [program = "", ...rest] = command(["up", ...flags]);
  const child = spawn(program, rest, { detached: true, stdio: "ignore" });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  await Promise.race([pause(moment), ended]);
  if (child.pid !== undefined) signal(-child.pid, "SIGKILL");
  await kill(victims);
  await ended;
}

async function succeed(...verb: readonly string[]): Promise<void> {
  const { status, stderr } = await attempt(command(verb), { timeoutSeconds: 120 });
  expect(status, stderr).toBe(0);
}

const everybody = [[], ["supervisor"], ["supervisor", "gateway"], ["gateway"]];

describe.skipIf(process.getuid?.() !== 0)(`a lab whose up is killed (seed ${seed})`, () => {
  afterAll(() => lab.down());

  const random = randomFrom(seed);

  /** How long a whole `up` takes when nobody kills it. */
  async function measured(...flags: readonly string[]): Promise<number> {
    const started = Date.now();
    await succeed("up", ...flags);
    const milliseconds = Date.now() - started;
    await succeed("down");
    expect(await tracesOf(lab)).toEqual(noTraces);
    return milliseconds;
  }

  /** A death somewhere in the turn's own part of the whole and a little more, by turns of everybody. */
  const death = (turn: number, wholeUp: number) => ({
    moment: Math.round((((turn % rounds) + random()) / rounds) * wholeUp * 1.1),
    victims: everybody[turn % everybody.length] ?? [],
  });

  /** Tells the whole story when a round goes wrong. */
  const tell = (story: object, error: unknown) =>
    new Error(
      `${JSON.stringify({ seed, ...story })}: ${error instanceof Error ? error.message : error}`,
    );

  it("is repaired by up and removed by down, wherever it was cut off", async () => {
    const wholeUp = await measured();
    for (let round = 0; round < rounds; round += 1) {
      const first = death(round, wholeUp);
      const second = death(round + 1, wholeUp);
      try {
        await killedUp(first);
        await succeed("up");
        expect((await lab.status()).machinesPossible).toBe(true);
        const cloud = cloudOf(lab);
        const place = { location: "nbg1", size: 10, format: "ext4" };
        const volume = idOf(
          await cloud.call("POST", "/volumes", { name: "v", ...place }),
          "volume",
        );
        const { id, ipv4 } = await cloud.machine("probe");
        await cloud.call("POST", `/volumes/${volume}/actions/attach`, { server: id });
        await soon(lab, ipv4, 22);
        // The gateway's work, which nothing else here needs.
        expect(await lab.forward("probe", 22)).toBeGreaterThan(0);
        const { mounts: _none, ...traces } = await tracesOf(lab);
        for (const kind of Object.values(traces)) expect(kind).not.toEqual([]);
        expect(traces.processes.filter((process) => / pebble /.test(process))).toHaveLength(1);

        await kill(["supervisor"]);
        await killedUp(second);
        await succeed("down");
        expect(await tracesOf(lab)).toEqual(noTraces);
      } catch (error) {
        throw tell({ round, wholeUp, first, second }, error);
      }
    }
  });

  it("lets go of the volumes' file system where it died just before mounting it", async () => {
    const diesBeforeMounting = async () => {
      await kill(["supervisor"]);
      await run(["losetup", "--find", `${lab.paths.volumes}.xfs`]);
    };
    await succeed("up");
    await diesBeforeMounting();
    await succeed("up");
    await diesBeforeMounting();
    await succeed("down");
    expect(await tracesOf(lab)).toEqual(noTraces);
  });

  it("is repaired and removed in the same way where it has no machines", async () => {
    const flag = "--no-machines";
    const wholeUp = await measured(flag);
    for (let round = 0; round < rounds; round += 1) {
      const first = death(round, wholeUp);
      const second = death(round + 1, wholeUp);
      try {
        await killedUp(first, flag);
        await succeed("up", flag);
        const { apis } = await lab.status();
        const headers = { authorization: `Bearer ${labTokens.hcloud}` };
        expect((await fetch(`${apis.hcloud}/locations`, { headers })).status).toBe(200);
        await kill(["supervisor"]);
        await killedUp(second, flag);
        await succeed("down");
        expect(await tracesOf(lab)).toEqual(noTraces);
      } catch (error) {
        throw tell({ flag, round, wholeUp, first, second }, error);
      }
    }
  });
});
