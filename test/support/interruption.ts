// What a hostile day is made of: clouds that hold back or refuse answers, an engine that is killed,
// a network that swallows SSH. Conditions, never times, say when.

import { readdirSync, readFileSync } from "node:fs";
import { attempt, type Finished, until } from "../../lab/host/run";
import type { Lab } from "../../lab/lab";
import { nameOf } from "../../scripts/recovery/placement";
import type { Recovery } from "../../scripts/recovery/report";

export type Cloud = "hcloud" | "cloudflare";

/** A request to one of the lab's clouds, from where its engine asks. */
export async function ask(lab: Lab, cloud: Cloud, method: string, path: string, body?: unknown) {
  const { apis, machinesPossible } = await lab.status();
  const url = path.startsWith("/_lab/") ? new URL(path, apis[cloud]).href : apis[cloud] + path;
  const argv = [
    ...["curl", "--silent", "--show-error", "--request", method, "--url", url],
    ...["--header", `authorization: Bearer ${"0".repeat(cloud === "hcloud" ? 64 : 40)}`],
    ...(body === undefined
      ? []
      : ["--header", "content-type: application/json", "--data", JSON.stringify(body)]),
  ];
  const { stdout } = machinesPossible ? await lab.inNetwork(argv) : await attempt(argv);
  return stdout === "" ? undefined : JSON.parse(stdout);
}

const hcloudKinds = ["ssh_keys", "firewalls", "primary_ips", "volumes", "servers"] as const;

/** Everything in both clouds; records of the lab's two mail domains. */
export async function inventory(lab: Lab, zones: readonly string[]) {
  const lists = await Promise.all(
    hcloudKinds.map(async (kind) => [kind, (await ask(lab, "hcloud", "GET", `/${kind}`))[kind]]),
  );
  const records = await Promise.all(
    zones.map(
      async (zone) => (await ask(lab, "cloudflare", "GET", `/zones/${zone}/dns_records`)).result,
    ),
  );
  return { ...Object.fromEntries(lists), records: records.flat() };
}

/** How many there are of each kind, empty kinds left out. */
export async function counts(lab: Lab, zones: readonly string[]): Promise<Record<string, number>> {
  const all = Object.entries<unknown[]>(await inventory(lab, zones));
  return Object.fromEntries(all.map(([kind, { length }]) => [kind, length]).filter(([, n]) => n));
}

/** From now on the cloud does what such requests ask for and keeps the answer to itself. */
export async function holdAnswers(lab: Lab, cloud: Cloud, path: string): Promise<void> {
  const fault = { method: "POST", path, times: 100, when: "after", delayMilliseconds: 60_000 };
  await ask(lab, cloud, "POST", "/_lab/faults", fault);
}

/** The next so many of such requests have their effect, and an answer that does not say so. */
export async function loseAnswers(lab: Lab, cloud: Cloud, path: string, times: number) {
  const answer = { status: 503, body: { error: { code: "unavailable", message: "lost" } } };
  await ask(lab, cloud, "POST", "/_lab/faults", {
    method: "POST",
    path,
    times,
    when: "after",
    answer,
  });
}

/** The next so many of such requests are answered 503, in the cloud's own form. */
export async function refuse(lab: Lab, cloud: Cloud, path: string, times: number, method?: string) {
  const message = "the service is not available at the moment";
  const answer =
    cloud === "hcloud"
      ? { status: 503, body: { error: { code: "unavailable", message, details: null } } }
      : {
          status: 503,
          body: { success: false, errors: [{ code: 1000, message }], messages: [], result: null },
          // The official provider would try for minutes.
          headers: { "x-should-retry": "false" },
        };
  await ask(lab, cloud, "POST", "/_lab/faults", { path, times, answer, method });
}

/** The clouds behave again. */
export async function pardon(lab: Lab): Promise<void> {
  for (const cloud of ["hcloud", "cloudflare"] as const)
    await ask(lab, cloud, "DELETE", "/_lab/faults");
}

/** Processes of a lab's engine, with their command lines: its plugins, the program, its commands. */
function engineProcesses(lab: Lab): { pid: number; command: string }[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const environment = readFileSync(`/proc/${name}/environ`, "utf8").split("\0");
      if (!environment.includes(`PULUMI_BACKEND_URL=file://${lab.paths.pulumi}`)) return [];
      return [{ pid: Number(name), command: readFileSync(`/proc/${name}/cmdline`, "utf8") }];
    } catch {
      return [];
    }
  });
}

/** Whether the engine runs a command with this in its command line. */
export const engineRuns = (lab: Lab, text: string): boolean =>
  engineProcesses(lab).some(({ command }) => command.includes(text));

/** Sends a signal to the first of the engine's processes with this in its command line. */
export function signal(lab: Lab, text: string, name: NodeJS.Signals): void {
  const words = text.replaceAll(" ", "\0");
  const [found] = engineProcesses(lab)
    .filter(({ command }) => command.includes(words) || command.includes(text))
    .sort((a, b) => a.pid - b.pid);
  if (found === undefined) throw new Error(`${text}: no such process`);
  process.kill(found.pid, name);
}

/** Ends an engine with all that it started, as a power cut would: nothing is told to anyone. */
function cutPower(lab: Lab): void {
  for (const { pid } of engineProcesses(lab)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Ended by itself meanwhile.
    }
  }
}

// As many at once as there are records, or those whose answers are held back keep others from their turn.
const upCommand = ["up", "--yes", "--skip-preview", "--parallel=128"];

/** Runs `pulumi up`, or a command that does, until the condition holds, and kills the engine there and then. */
export async function killAt(
  lab: Lab,
  stage: string,
  reached: () => boolean | Promise<boolean>,
  command: readonly string[] = ["pulumi", ...upCommand],
): Promise<void> {
  let ended: Finished | undefined;
  const up = lab.withEngine(command).then((finished) => {
    ended = finished;
  });
  try {
    await until(stage, 600, async () => {
      if (ended !== undefined)
        throw new Error(`${stage}: up ended before it\n${ended.stdout}\n${ended.stderr}`);
      return (await reached()) || undefined;
    });
  } finally {
    cutPower(lab);
    await up;
  }
}

/** `pulumi up` to its end; what it said. */
export async function up(lab: Lab, ...more: string[]): Promise<Finished & { said: string }> {
  const finished = await lab.pulumi([...upCommand, ...more]);
  return { ...finished, said: finished.stdout + finished.stderr };
}

/** `npm run recover`, as it answers a person. */
export const recoverSaid = (lab: Lab, ...more: string[]): Promise<Finished> =>
  lab.withEngine(["npm", "run", "--silent", "recover", "--", ...more]);

/** `npm run recover`, as it answers a machine, with names in place of URNs. */
export async function recover(lab: Lab) {
  const finished = await recoverSaid(lab, "--json");
  if (finished.stdout === "")
    throw new Error(`recover ended with ${finished.status}: ${finished.stderr}`);
  const said: Recovery = JSON.parse(finished.stdout);
  return {
    wasLocked: said.wasLocked,
    interrupted: said.interrupted.map(({ operation, urn }) => `${operation} ${nameOf(urn)}`).sort(),
    imported: said.imported.map(({ urn }) => nameOf(urn)).sort(),
    leftAlone: said.leftAlone,
  };
}
