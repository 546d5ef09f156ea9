// A host that answers from what was recorded, for an engine that runs where there is no machine: commands
// that the stand-in for pulumi-command passes on, and whatever the program asks over TLS. Loopback only; it
// knows nothing of what it is asked.

import { resolve } from "node:path";
import Fastify from "fastify";
import { z } from "zod";

/** What a recorded host says. */
export interface Recording {
  /** What a command prints; whatever it throws, the command has failed with. */
  command(command: string): string;
  /** A page over HTTPS as plain text; undefined where there is none. */
  page(path: string): string | undefined;
}

/** One that listens. */
export interface RecordedHost {
  /** What an engine must have in its environment to ask it. */
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

const Command = z.object({ command: z.string() });

/** Starts one on a free port. Every handshake with it succeeds, for any name. */
export async function startRecordedHost(recording: Recording): Promise<RecordedHost> {
  const app = Fastify({ forceCloseConnections: true });
  app.post("/command", async (request, reply) => {
    try {
      const said = recording.command(Command.parse(request.body).command);
      return reply.type("text/plain").send(said);
    } catch (error) {
      return reply.code(500).type("text/plain").send(String(error));
    }
  });
  app.get<{ Params: { "*": string } }>("/*", async (request, reply) => {
    const page = recording.page(`/${request.params["*"]}`);
    return page === undefined ? reply.callNotFound() : reply.type("text/plain").send(page);
  });
  const address = await app.listen({ host: "127.0.0.1", port: 0 });
  return {
    environment: {
      MAIL_HOST_RECORDED_HOST: address,
      // Only this reaches the program's own process before the program does.
      NODE_OPTIONS: `--require ${JSON.stringify(resolve(__dirname, "recorded-names.cjs"))}`,
    },
    close: () => app.close(),
  };
}
