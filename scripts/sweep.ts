// `npm run sweep`: removes what test stacks have left past their last day, by this project's marks in both
// clouds, and makes the backend forget them. Touches nothing that has no mark, no day, or a day to come.

import { parseArgs } from "node:util";
import { apis, type Clouds } from "./clouds/api";
import { findMarked } from "./clouds/marked";
import { plan, remove } from "./clouds/removal";
import { runCommand } from "./command-line";
import { enterLab } from "./in-lab";
import { pulumiOn } from "./pulumi";
import { keptStack, removedLine, type Sweep, sweepText, told, toldLeftAlone } from "./sweep/report";
import { dayOf, isPast, stacksIn } from "./sweep/stale";
import { forget, type StackInBackend, stackInBackend, stackNames } from "./sweep/states";

const usage = "usage: npm run sweep -- [--dry-run] [--json] [--stack <whose tokens>] [--lab]";

/** Tokens of the environment are enough; a stack's own are asked for where they are not there. */
async function cloudsOf(stack: string | undefined): Promise<Clouds> {
  const { HCLOUD_TOKEN, CLOUDFLARE_API_TOKEN } = process.env;
  if (HCLOUD_TOKEN && CLOUDFLARE_API_TOKEN) return apis("{}", process.env);
  const { status, stdout } = await pulumiOn(stack)("config", "--show-secrets", "--json");
  return apis(status === 0 ? stdout : "{}", process.env);
}

/** Stacks in the backend that are past their day, of those that the clouds do not know as alive. */
async function staleStates(
  today: string,
  { alive, past }: { alive: readonly string[]; past: readonly string[] },
  unseen: string[],
): Promise<string[]> {
  const names = await stackNames().catch((error: unknown) => {
    unseen.push(`states: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  });
  const known: StackInBackend[] = [];
  for (const name of names) if (!alive.includes(name)) known.push(await stackInBackend(name));
  return known
    .filter(({ stack, expires, resources }) => {
      if (past.includes(stack)) return true;
      if (!isPast(expires, today)) return false;
      // Of another account, perhaps: only its state leads to what goes on costing money there.
      if (resources > 0)
        unseen.push(
          `state of ${stack}: holds ${resources} resources that these tokens do not see; sweep with its accounts' tokens, or, if all of them are gone: pulumi stack rm --force --stack ${stack}`,
        );
      return resources === 0;
    })
    .map(({ stack }) => stack);
}

async function sweep(clouds: Clouds, dryRun: boolean, say: (line: string) => void): Promise<Sweep> {
  const today = dayOf(Date.now());
  const stacks = stacksIn(await findMarked(clouds));
  const past = stacks.filter(({ expires }) => isPast(expires, today));
  const alive = stacks.filter((stack) => !past.includes(stack));
  const things = past.flatMap((stack) => stack.things);
  if (dryRun) for (const thing of plan(things).removed) say(removedLine(dryRun, told(thing)));
  const { removed, leftAlone } = dryRun
    ? plan(things)
    : await remove(things, (thing) => say(removedLine(dryRun, told(thing))));
  // The state of what is still there is what `pulumi destroy` would need.
  const standing = leftAlone.map(({ thing }) => thing.stack);
  const names = (list: readonly { stack: string }[]) => list.map(({ stack }) => stack);
  const unseen: string[] = [];
  const candidates = await staleStates(
    today,
    { alive: [...names(alive), ...standing], past: names(past) },
    unseen,
  );
  const states: string[] = [];
  for (const stack of candidates) {
    try {
      if (!dryRun) await forget(stack);
      states.push(stack);
    } catch (error) {
      unseen.push(`state of ${stack}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const after = dryRun ? [] : stacksIn(await findMarked(clouds));
  const stillStale = dryRun
    ? []
    : await staleStates(today, { alive: names(alive), past: names(past) }, []);
  return {
    today,
    dryRun,
    removed: removed.map(told),
    leftAlone: leftAlone.map(toldLeftAlone),
    states,
    kept: alive.map(keptStack),
    unseen,
    remaining: [
      ...after
        .filter(({ expires }) => isPast(expires, today))
        .flatMap((stack) => stack.things.map(({ what }) => `${what} of ${stack.stack}`)),
      ...stillStale.map((stack) => `state of ${stack}`),
    ],
  };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      "dry-run": { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      lab: { type: "boolean", default: false },
      stack: { type: "string", short: "s" },
    },
  });
  if (values.lab) return enterLab(__filename);
  const say = (line: string) => {
    if (!values.json) process.stdout.write(`${line}\n`);
  };
  const swept = await sweep(await cloudsOf(values.stack), values["dry-run"], say);
  process.stdout.write(
    values.json ? `${JSON.stringify(swept, undefined, 2)}\n` : `${sweepText(swept)}\n`,
  );
  return swept.leftAlone.length + swept.remaining.length + swept.unseen.length === 0 ? 0 : 1;
}

runCommand(main, usage);
