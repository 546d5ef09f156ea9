// MailDirectory: carries domains, mailboxes and aliases to the host's database, in one step.

import * as command from "@pulumi/command";
import type * as inputs from "@pulumi/command/types/input";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { Directory } from "../config/directory";
import { directoryRows, generatedPasswords } from "./directory-rows";

/** What the directory needs to know. */
export interface MailDirectoryArgs {
  readonly directory: Directory;
  /** How to reach the host; the host key is pinned. */
  readonly connection: pulumi.Input<inputs.remote.ConnectionArgs>;
  /** The server and the volume: each new one gets the directory anew, in the tables that it knows. */
  readonly livesOn: readonly pulumi.Input<string>[];
}

export class MailDirectory extends pulumi.ComponentResource {
  /** Secret: the derived passwords by address. */
  public readonly passwords: pulumi.Output<Record<string, string>>;

  constructor(name: string, args: MailDirectoryArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mailhost:index:MailDirectory", name, {}, opts);

    // Everything generated derives from this one secret; a new one is a new password for everybody.
    const seed = new random.RandomPassword(
      `${name}-seed`,
      { length: 43, special: false },
      { parent: this },
    );

    new command.remote.Command(
      name,
      {
        connection: args.connection,
        create: "/usr/local/sbin/mail-directory",
        stdin: pulumi.secret(
          seed.result.apply((secret) => JSON.stringify(directoryRows(args.directory, secret))),
        ),
        triggers: [...args.livesOn],
      },
      { parent: this },
    );

    this.passwords = pulumi.secret(
      seed.result.apply((secret) => generatedPasswords(args.directory, secret)),
    );
    this.registerOutputs({ passwords: this.passwords });
  }
}
