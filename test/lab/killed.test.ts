// A lab whose `up` is killed at random moments, with or without what it had started: the next command
// repairs it, or removes it without a trace. LAB_KILL_SEED repeats the moments of a former run.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ownProgram, runningPid, signal } from "../../lab/host/processes";
import { attempt, pause } from "../../lab/host/run";
import { openLab } from "../../lab/lab";
import { cloudOf, idOf, noTraces, soon, tracesOf } from "./lab-support";

const rounds = 4;
const seed = process.env.LAB_KILL_SEED || randomBytes(4).toString("hex");
const lab = openLab(`killed-${randomBytes(3).toString("hex")}`);

const command = (verb: string): string[] =>
  ownProgram(join("lab", "cli.ts"), ["--name", lab.paths.name, verb]);

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
async function killedUp(milliseconds: number, victims: readonly string[]): Promise<void> {
  const [program = "", ...rest] = command("up");
  const child = spawn(program, rest, { detached: true, stdio: "ignore" });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  await Promise.race([pause(milliseconds), ended]);
  if (child.pid !== undefined) signal(-child.pid, "SIGKILL");
  await kill(victims);
  await ended;
}

async function succeed(verb: string): Promise<void> {
  const { status, stderr } = await attempt(command(verb), { timeoutSeconds: 120 });
  expect(status, stderr).toBe(0);
}

const everybody = [[], ["supervisor"], ["gateway"], ["supervisor", "gateway"]];

describe.skipIf(process.getuid?.() !== 0)(`a lab whose up is killed (seed ${seed})`, () => {
  afterAll(() => lab.down());

  it("is repaired by up and removed by down, wherever it was cut off", async () => {
    const random = randomFrom(seed);
    const started = Date.now();
    await succeed("up");
    const wholeUp = Date.now() - started;
    await succeed("down");
    expect(await tracesOf(lab)).toEqual(noTraces);

    for (let round = 0; round < rounds; round += 1) {
      // Each moment falls into a part of its own, so that few rounds cover the whole.
      const moment = () => Math.round(((round + random()) / rounds) * wholeUp);
      const victims = () => everybody[Math.floor(random() * everybody.length)] ?? [];
      const first = { moment: moment(), victims: victims() };
      const second = { moment: moment(), victims: victims() };
      const story = JSON.stringify({ seed, round, wholeUp, first, second });

      await killedUp(first.moment, first.victims);
      try {
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

        await kill(["supervisor"]);
        await killedUp(second.moment, second.victims);
        await succeed("down");
        expect(await tracesOf(lab)).toEqual(noTraces);
      } catch (error) {
        throw new Error(`${story}: ${error instanceof Error ? error.message : error}`);
      }
    }
  });
});
