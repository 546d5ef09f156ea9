// Serves a resource provider to the engine: Pulumi's gRPC protocol, spoken directly, since loading
// the whole SDK would take longer than most operations.

import * as grpc from "@grpc/grpc-js";
import * as engineGrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import * as engine from "@pulumi/pulumi/proto/engine_pb.js";
import * as pluginProto from "@pulumi/pulumi/proto/plugin_pb.js";
import * as providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import * as proto from "@pulumi/pulumi/proto/provider_pb.js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb.js";
import { Struct } from "google-protobuf/google/protobuf/struct_pb.js";
import type { Difference } from "./differences";
import { endWithEngine } from "./engine-end";
import { decodeProperties, encodeProperties, type Properties } from "./values";

/** Something wrong with one input, shown beside the resource. */
export interface Failure {
  readonly property: string;
  readonly reason: string;
}

/** Where a resource's progress is shown. */
export interface Log {
  /** A line that is shown while the operation runs. */
  progress(line: string): void;
  warning(line: string): void;
}

export interface Change extends Difference {
  readonly replaces: boolean;
}

export interface Resource {
  check?(inputs: Properties): readonly Failure[];
  diff(state: Properties, oldInputs: Properties, inputs: Properties): readonly Change[];
  create(request: {
    readonly name: string;
    readonly inputs: Properties;
    readonly preview: boolean;
    readonly log: Log;
  }): Promise<{ readonly id: string; readonly state: Properties }>;
  /** Undefined when the resource is gone. */
  read(request: {
    readonly id: string;
    readonly state: Properties;
    readonly inputs: Properties;
    readonly log: Log;
  }): Promise<
    { readonly id: string; readonly state: Properties; readonly inputs: Properties } | undefined
  >;
  update(request: {
    readonly id: string;
    readonly state: Properties;
    readonly oldInputs: Properties;
    readonly inputs: Properties;
    readonly preview: boolean;
    readonly log: Log;
  }): Promise<Properties>;
  delete(request: {
    readonly id: string;
    readonly state: Properties;
    readonly log: Log;
  }): Promise<void>;
}

export type Invocation = (args: Properties) => Promise<Properties>;

export interface Provider {
  readonly version: string;
  readonly resources: Readonly<Record<string, Resource>>;
  readonly functions: Readonly<Record<string, Invocation>>;
  checkConfiguration?(configuration: Properties): readonly Failure[];
  configure?(configuration: Properties): void;
}

/** Starts the plugin's server and tells the engine its port. */
export function servePlugin(provider: Provider): void {
  const address = process.argv.slice(2).find((argument) => !argument.startsWith("-"));
  const server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
  server.addService(
    providerGrpc.ResourceProviderService,
    implementation(provider, engineLogs(address)),
  );
  endWithEngine();
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error !== null) throw error;
    process.stdout.write(`${port}\n`);
  });
}

function implementation(
  provider: Provider,
  logFor: (urn: string) => Log,
): grpc.UntypedServiceImplementation {
  const resource = (urn: string): Resource => {
    const token = typeOf(urn);
    const found = provider.resources[token];
    if (found === undefined) throw new Error(`${token}: this stand-in does not know the resource`);
    return found;
  };
  return {
    handshake: unary(async () =>
      new proto.ProviderHandshakeResponse().setAcceptSecrets(true).setAcceptOutputs(false),
    ),
    getPluginInfo: unary(async () => new pluginProto.PluginInfo().setVersion(provider.version)),
    cancel: unary(async () => new Empty()),
    getSchema: unary(async () => new proto.GetSchemaResponse().setSchema("{}")),
    checkConfig: unary(async (request: proto.CheckRequest) => {
      const inputs = properties(request.getNews());
      return checked(inputs, provider.checkConfiguration?.(inputs) ?? []);
    }),
    // A changed endpoint or token never replaces what was made through the old one.
    diffConfig: unary(async () => new proto.DiffResponse()),
    configure: unary(async (request: proto.ConfigureRequest) => {
      provider.configure?.(properties(request.getArgs()));
      return new proto.ConfigureResponse().setAcceptsecrets(true).setSupportspreview(true);
    }),
    invoke: unary(async (request: proto.InvokeRequest) => {
      const invocation = provider.functions[request.getTok()];
      if (invocation === undefined) {
        throw new Error(`${request.getTok()}: this stand-in does not know the function`);
      }
      const result = await invocation(properties(request.getArgs()));
      return new proto.InvokeResponse().setReturn(structOf(result));
    }),
    check: unary(async (request: proto.CheckRequest) => {
      const inputs = properties(request.getNews());
      return checked(inputs, resource(request.getUrn()).check?.(inputs) ?? []);
    }),
    diff: unary(async (request: proto.DiffRequest) => {
      const changes = resource(request.getUrn()).diff(
        properties(request.getOlds()),
        properties(request.getOldInputs()),
        properties(request.getNews()),
      );
      const ignored = new Set(request.getIgnorechangesList());
      return diffed(changes.filter(({ path }) => !ignored.has(path)));
    }),
    create: unary(async (request: proto.CreateRequest) => {
      const { id, state } = await resource(request.getUrn()).create({
        name: nameOf(request.getUrn()),
        inputs: properties(request.getProperties()),
        preview: request.getPreview(),
        log: logFor(request.getUrn()),
      });
      return new proto.CreateResponse().setId(id).setProperties(structOf(state));
    }),
    read: unary(async (request: proto.ReadRequest) => {
      const found = await resource(request.getUrn()).read({
        id: request.getId(),
        state: properties(request.getProperties()),
        inputs: properties(request.getInputs()),
        log: logFor(request.getUrn()),
      });
      if (found === undefined) return new proto.ReadResponse();
      return new proto.ReadResponse()
        .setId(found.id)
        .setProperties(structOf(found.state))
        .setInputs(structOf(found.inputs));
    }),
    update: unary(async (request: proto.UpdateRequest) => {
      const state = await resource(request.getUrn()).update({
        id: request.getId(),
        state: properties(request.getOlds()),
        oldInputs: properties(request.getOldInputs()),
        inputs: properties(request.getNews()),
        preview: request.getPreview(),
        log: logFor(request.getUrn()),
      });
      return new proto.UpdateResponse().setProperties(structOf(state));
    }),
    delete: unary(async (request: proto.DeleteRequest) => {
      await resource(request.getUrn()).delete({
        id: request.getId(),
        state: properties(request.getProperties()),
        log: logFor(request.getUrn()),
      });
      return new Empty();
    }),
  };
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

function properties(struct: Struct | undefined): Properties {
  const all = decodeProperties(struct?.toJavaScript() ?? {});
  // `version` and names with two underscores are the engine's own.
  return Object.fromEntries(
    Object.entries(all).filter(([name]) => name !== "version" && !name.startsWith("__")),
  );
}

function structOf(values: Properties): Struct {
  return Struct.fromJavaScript(encodeProperties(values));
}

function checked(inputs: Properties, failures: readonly Failure[]): proto.CheckResponse {
  return new proto.CheckResponse()
    .setInputs(structOf(inputs))
    .setFailuresList(
      failures.map(({ property, reason }) =>
        new proto.CheckFailure().setProperty(property).setReason(reason),
      ),
    );
}

function diffed(changes: readonly Change[]): proto.DiffResponse {
  const response = new proto.DiffResponse()
    .setChanges(
      changes.length === 0
        ? proto.DiffResponse.DiffChanges.DIFF_NONE
        : proto.DiffResponse.DiffChanges.DIFF_SOME,
    )
    .setDiffsList([...new Set(changes.map(({ path }) => topOf(path)))])
    .setReplacesList([
      ...new Set(changes.filter(({ replaces }) => replaces).map(({ path }) => topOf(path))),
    ])
    .setHasdetaileddiff(true);
  for (const { path, kind, replaces } of changes) {
    response
      .getDetaileddiffMap()
      .set(path, new proto.PropertyDiff().setKind(kindOf(kind, replaces)));
  }
  return response;
}

function kindOf(kind: Difference["kind"], replaces: boolean): proto.PropertyDiff.Kind {
  const kinds = proto.PropertyDiff.Kind;
  switch (kind) {
    case "add":
      return replaces ? kinds.ADD_REPLACE : kinds.ADD;
    case "delete":
      return replaces ? kinds.DELETE_REPLACE : kinds.DELETE;
    case "update":
      return replaces ? kinds.UPDATE_REPLACE : kinds.UPDATE;
    default: {
      const never: never = kind;
      return never;
    }
  }
}

function topOf(path: string): string {
  return path.replace(/[.[].*$/s, "");
}

function typeOf(urn: string): string {
  return urn.split("::")[2]?.split("$").at(-1) ?? "";
}

function nameOf(urn: string): string {
  return urn.split("::").slice(3).join("::");
}

function engineLogs(address: string | undefined): (urn: string) => Log {
  if (address === undefined) return () => ({ progress: () => {}, warning: () => {} });
  const client = new engineGrpc.EngineClient(address, grpc.credentials.createInsecure());
  const send = (urn: string, severity: engine.LogSeverity, ephemeral: boolean, line: string) => {
    const request = new engine.LogRequest()
      .setUrn(urn)
      .setSeverity(severity)
      .setEphemeral(ephemeral)
      .setMessage(line);
    // The operation's own result carries everything that matters; a lost line changes nothing.
    client.log(request, () => {});
  };
  return (urn) => ({
    progress: (line) => send(urn, engine.LogSeverity.INFO, true, line),
    warning: (line) => send(urn, engine.LogSeverity.WARNING, false, line),
  });
}
