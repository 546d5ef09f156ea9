// What `local.Command` and `remote.Command` have in common: when a command runs, what counts as a
// change, and what a preview knows. They differ only in how a command is run.

import { randomBytes } from "node:crypto";
import { differences } from "./differences";
import type { Failure, Log, Resource } from "./plugin";
import type { Streams } from "./process-output";
import {
  equal,
  flagOf,
  isProperties,
  type Properties,
  reveal,
  revealProperties,
  Secret,
  textOf,
  Unknown,
  unknown,
} from "./values";

export interface Run {
  readonly command: string;
  /** The command as it may be shown. */
  readonly shown: string;
  /** The resource's inputs, without secret marks. */
  readonly inputs: Properties;
  /** Environment variables that the program asked for. */
  readonly environment: Readonly<Record<string, string>>;
  /** Variables with the output of the run before. */
  readonly previous: Readonly<Record<string, string>>;
  readonly stdin: string | undefined;
  readonly log: Log;
}

export function commandResource(
  run: (request: Run) => Promise<Streams>,
  check: (inputs: Properties) => readonly Failure[],
): Resource {
  const perform = async (
    verb: "create" | "update" | "delete",
    inputs: Properties,
    previous: Streams,
    log: Log,
  ): Promise<Streams> => {
    const plain = revealProperties(inputs);
    const command = textOf(plain, verb);
    if (command === undefined) return previous;
    return run({
      command,
      shown: inputs[verb] instanceof Secret ? "a secret command" : JSON.stringify(command),
      inputs: plain,
      environment: environmentOf(plain),
      previous: previousOutput(plain, previous),
      stdin: textOf(plain, "stdin") || undefined,
      log,
    });
  };
  return {
    check,
    diff: (_state, oldInputs, inputs) =>
      differences(oldInputs, inputs).map((difference) => ({
        ...difference,
        replaces: /^triggers\b/.test(difference.path),
      })),
    async create({ name, inputs, preview, log }) {
      const id = `${name}${randomBytes(4).toString("hex")}`;
      if (preview) return { id, state: { ...inputs, stdout: unknown, stderr: unknown } };
      const streams = await perform("create", inputs, { stdout: "", stderr: "" }, log);
      return { id, state: { ...inputs, ...streams } };
    },
    // A command has no state of its own to look at.
    read: async ({ id, state, inputs }) => ({ id, state, inputs }),
    async update({ state, oldInputs, inputs, preview, log }) {
      const previous = streamsOf(state);
      if (preview) {
        const changed = !equal(oldInputs, inputs);
        return { ...inputs, ...(changed ? { stdout: unknown, stderr: unknown } : previous) };
      }
      const verb = inputs.update === undefined ? "create" : "update";
      return { ...inputs, ...(await perform(verb, inputs, previous, log)) };
    },
    async delete({ state, log }) {
      await perform("delete", state, streamsOf(state), log);
    },
  };
}

function streamsOf(state: Properties): Streams {
  const text = (name: string) => {
    const value = reveal(state[name] ?? "");
    return typeof value === "string" ? value : "";
  };
  return { stdout: text("stdout"), stderr: text("stderr") };
}

function environmentOf(inputs: Properties): Record<string, string> {
  const environment = inputs.environment;
  if (!isProperties(environment)) return {};
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => {
      if (value instanceof Unknown) throw new Error(`environment.${name}: not known`);
      return [name, String(value)];
    }),
  );
}

function previousOutput(inputs: Properties, previous: Streams): Record<string, string> {
  if (flagOf(inputs, "addPreviousOutputInEnv") === false) return {};
  return {
    ...(previous.stdout === "" ? {} : { PULUMI_COMMAND_STDOUT: previous.stdout }),
    ...(previous.stderr === "" ? {} : { PULUMI_COMMAND_STDERR: previous.stderr }),
  };
}
