// Stand-in for pulumi-resource-command 1.2.1: `local.Command`, `local.run` and `remote.Command`.

import { commandResource } from "./command-resource";
import { checkLocal, runLocally } from "./local-command";
import { servePlugin } from "./plugin";
import { unlessRecorded } from "./recorded";
import { checkRemote, runRemotely } from "./remote-command";
import { isProperties, type Properties, revealProperties, Secret, textOf } from "./values";

const noLog = { progress: () => {}, warning: () => {} };

servePlugin({
  version: "1.2.1",
  resources: {
    "command:local:Command": commandResource(unlessRecorded(runLocally), checkLocal),
    "command:remote:Command": commandResource(unlessRecorded(runRemotely), checkRemote),
  },
  functions: { "command:local:run": run },
});

async function run(args: Properties): Promise<Properties> {
  const inputs = revealProperties(args);
  const command = textOf(inputs, "command");
  if (command === undefined) throw new Error("command: missing");
  const environment = inputs.environment;
  const streams = await unlessRecorded(runLocally)({
    command,
    shown: args.command instanceof Secret ? "a secret command" : JSON.stringify(command),
    inputs,
    environment: isProperties(environment)
      ? Object.fromEntries(
          Object.entries(environment).map(([name, value]) => [name, String(value)]),
        )
      : {},
    previous: {},
    stdin: textOf(inputs, "stdin") || undefined,
    log: noLog,
  });
  return { ...args, ...streams };
}
