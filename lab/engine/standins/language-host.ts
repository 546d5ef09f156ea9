// The Node language host: starts the program's own SDK. It answers only what the engine asks to run
// a program that is already installed; everything else is left unimplemented.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import * as languageGrpc from "@pulumi/pulumi/proto/language_grpc_pb.js";
import * as proto from "@pulumi/pulumi/proto/language_pb.js";
import * as plugin from "@pulumi/pulumi/proto/plugin_pb.js";

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
});
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
