// What a command printed: gathered for state and for messages, and shown line by line while it runs.

import { StringDecoder } from "node:string_decoder";
import type { Log } from "./plugin";
import type { Properties } from "./values";

export interface Streams {
  readonly stdout: string;
  readonly stderr: string;
}

export type Logging = "stdout" | "stderr" | "stdoutAndStderr" | "none";

export class ProcessOutput {
  private readonly text = { stdout: "", stderr: "" };
  private readonly decoders = {
    stdout: new StringDecoder("utf8"),
    stderr: new StringDecoder("utf8"),
  };
  private readonly rest = { stdout: "", stderr: "" };
  private both = "";

  constructor(
    private readonly logging: Logging,
    private readonly log: Log,
  ) {}

  take(stream: "stdout" | "stderr", chunk: Buffer): void {
    const text = this.decoders[stream].write(chunk);
    this.text[stream] += text;
    this.both += text;
    if (this.logging !== stream && this.logging !== "stdoutAndStderr") return;
    const lines = `${this.rest[stream]}${text}`.split("\n");
    this.rest[stream] = lines.pop() ?? "";
    for (const line of lines) this.log.progress(line);
  }

  /** Shows what stands in a last line without an end. */
  finish(): void {
    for (const stream of ["stdout", "stderr"] as const) {
      if (this.rest[stream] !== "") this.log.progress(this.rest[stream]);
      this.rest[stream] = "";
    }
  }

  get streams(): Streams {
    return {
      stdout: this.text.stdout.replace(/\n$/, ""),
      stderr: this.text.stderr.replace(/\n$/, ""),
    };
  }

  get everything(): string {
    return this.both;
  }
}

export function loggingOf(properties: Properties): Logging {
  const logging = properties.logging;
  switch (logging) {
    case "stdout":
    case "stderr":
    case "none":
      return logging;
    default:
      return "stdoutAndStderr";
  }
}
