// The Node language host: starts the program's own SDK, and that of a policy pack. It answers only what
// the engine asks to run what is already installed; everything else is left unimplemented.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import * as languageGrpc from "@pulumi/pulumi/proto/language_grpc_pb.js";
import * as proto from "@pulumi/pulumi/proto/language_pb.js";
import * as plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import { endWithEngine } from "./engine-end";

// The SDK's own status for "the error has been shown already".
const bailStatus = 32;

const engineAddress = process.argv.slice(2).find((argument) => !argument.startsWith("-")) ?? "";

const server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
server.addService(languageGrpc.LanguageRuntimeService, {
  handshake: unary(async () => new proto.LanguageHandshakeResponse()),
  getPluginInfo: unary(async () => new plugin.PluginInfo().setVersion("0.0.0")),
  getRequiredPlugins: unary(async () => new proto.GetRequiredPluginsResponse()),
  getRequiredPackages: unary(async () => new proto.GetRequiredPackagesResponse()),
  run: unary(run),
  runPlugin,
});
endWithEngine();
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`${port}\n`);
});

async function run(request: proto.RunRequest): Promise<proto.RunResponse> {
  const folder = request.getInfo()?.getProgramDirectory() || request.getPwd();
  const entryPoint = request.getInfo()?.getEntryPoint() || request.getProgram() || ".";
  const sdk = createRequire(join(folder, "package.json")).resolve("@pulumi/pulumi/cmd/run");
  const flags = {
    monitor: request.getMonitorAddress(),
    engine: engineAddress,
    project: request.getProject(),
    stack: request.getStack(),
    pwd: request.getPwd(),
    organization: request.getOrganization(),
    parallel: String(request.getParallel()),
    "query-mode": "false",
  };
  const child = spawn(
    process.execPath,
    [
      "--enable-source-maps",
      join(dirname(sdk), "index.js"),
      ...Object.entries(flags).flatMap(([name, value]) =>
        value === "" ? [] : [`--${name}`, value],
      ),
      ...(request.getDryrun() ? ["--dry-run"] : []),
      entryPoint,
      ...request.getArgsList(),
    ],
    {
      cwd: request.getPwd(),
      stdio: ["ignore", "inherit", "inherit"],
      env: {
        ...process.env,
        PULUMI_NODEJS_TYPESCRIPT: "true",
        PULUMI_CONFIG: JSON.stringify(Object.fromEntries(request.getConfigMap().toArray())),
        PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
      },
    },
  );
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const response = new proto.RunResponse();
  if (status === 0) return response;
  if (status === bailStatus) return response.setBail(true);
  return response.setError(`program: ended with status ${status ?? "none, by a signal"}`);
}

/** Runs a policy pack until the engine is done with it; no other plugin is written for Node here. */
function runPlugin(
  call: grpc.ServerWritableStream<proto.RunPluginRequest, proto.RunPluginResponse>,
) {
  const { request } = call;
  const fail = (code: grpc.status, details: string) => call.destroy(statusError(code, details));
  const kind = request.getKind();
  if (kind !== "analyzer") {
    fail(grpc.status.UNIMPLEMENTED, `plugin: this stand-in runs policy packs alone, not a ${kind}`);
    return;
  }
  const folder = request.getInfo()?.getProgramDirectory() || request.getProgram();
  const sdk = createRequire(join(folder, "package.json")).resolve(
    "@pulumi/pulumi/cmd/run-policy-pack",
  );
  const child = spawn(process.execPath, [sdk, ...request.getArgsList(), folder], {
    cwd: request.getPwd(),
    stdio: ["ignore", "pipe", "pipe"],
    env: Object.fromEntries(request.getEnvList().map(variable)),
  });
  child.stdout.on("data", (data: Buffer) => {
    call.write(new proto.RunPluginResponse().setStdout(data));
  });
  child.stderr.on("data", (data: Buffer) => {
    call.write(new proto.RunPluginResponse().setStderr(data));
  });
  child.once("error", (error) => fail(grpc.status.UNKNOWN, error.message));
  child.once("close", (status) => {
    call.write(new proto.RunPluginResponse().setExitcode(status ?? 1));
    call.end();
  });
  call.once("cancelled", () => child.kill());
}

function statusError(code: grpc.status, details: string): Error {
  return Object.assign(new Error(details), { code, details });
}

/** `NAME=value`, whose value may hold more of these signs. */
function variable(text: string): [string, string] {
  const at = text.indexOf("=");
  return [text.slice(0, at), text.slice(at + 1)];
}

function unary<Request, Response>(
  serve: (request: Request) => Promise<Response>,
): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => {
    serve(call.request).then(
      (response) => callback(null, response),
      (error: unknown) =>
        callback({
          code: grpc.status.UNKNOWN,
          details: error instanceof Error ? error.message : String(error),
        }),
    );
  };
}
