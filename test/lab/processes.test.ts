// Processes that outlive the command that started them: whatever happens to that command, none of them
// runs without a mark by which the next command finds it.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { endMarked, runningPid, startDetached } from "../../lab/host/processes";
import { pause, until } from "../../lab/host/run";

const folder = mkdtempSync(join(tmpdir(), "processes-"));
const log = join(folder, "log");
afterAll(() => rmSync(folder, { recursive: true }));

it("a program is marked by the time it runs, and ends by its mark", async () => {
  const mark = join(folder, "mark");
  const seen = join(folder, "seen");
  await startDetached(
    ["sh", "-c", `cat ${mark} > ${seen}.new; mv ${seen}.new ${seen}; exec sleep 60`],
    mark,
    log,
  );
  const pid = await runningPid(mark);
  await until("program", 5, () => (existsSync(seen) ? true : undefined));
  expect(JSON.parse(readFileSync(seen, "utf8"))).toMatchObject({ pid });
  await endMarked(mark);
  expect(existsSync(`/proc/${pid}/exe`)).toBe(false);
});

it("a program that cannot be marked never runs", async () => {
  const started = join(folder, "started");
  const mark = join(folder, "no-such-folder", "mark");
  await expect(startDetached(["touch", started], mark, log)).rejects.toThrow("ENOENT");
  await pause(300);
  expect(existsSync(started)).toBe(false);
});

it("a mark that was cut off marks nothing", async () => {
  const mark = join(folder, "cut");
  writeFileSync(mark, '{"pid":1');
  expect(await runningPid(mark)).toBeUndefined();
  await endMarked(mark);
  expect(existsSync(mark)).toBe(false);
});
