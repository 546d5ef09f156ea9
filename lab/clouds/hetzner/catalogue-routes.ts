// Read-only routes: locations, server types, images, and what an account has none of in the lab.

import type { FastifyInstance } from "fastify";
import {
  imageJson,
  images,
  type Location,
  locations,
  serverTypeJson,
  serverTypes,
} from "./catalogue";
import { HetznerError } from "./errors";
import { listPage, queryValues } from "./lists";
import { byId } from "./project";

type ById = { Params: { id: string } };

const locationJson = (location: Location): unknown => location;

/** Routes that only read. */
export function addCatalogue(app: FastifyInstance): void {
  app.get("/locations", async (request) => listPage(request, "locations", locations, locationJson));
  app.get<ById>("/locations/:id", async (request) => ({
    location: byId(locations, request.params.id, "location"),
  }));

  app.get("/server_types", async (request) =>
    listPage(request, "server_types", serverTypes, serverTypeJson),
  );
  app.get<ById>("/server_types/:id", async (request) => ({
    server_type: serverTypeJson(byId(serverTypes, request.params.id, "server type")),
  }));

  app.get("/images", async (request) => {
    const among = (name: string, value: string) => {
      const wanted = queryValues(request, name);
      return wanted.length === 0 || wanted.includes(value);
    };
    const withDeprecated = queryValues(request, "include_deprecated").includes("true");
    const found = images.filter(
      (image) =>
        among("architecture", image.architecture) &&
        among("type", "system") &&
        among("status", "available") &&
        (withDeprecated || image.deprecated === null),
    );
    const labelled = found.map((image) => ({ ...image, labels: {} }));
    return listPage(request, "images", labelled, imageJson);
  });
  app.get<ById>("/images/:id", async (request) => ({
    image: imageJson(byId(images, request.params.id, "image")),
  }));

  for (const path of ["/datacenters", "/datacenters/:id"]) {
    app.get(path, async () => {
      throw new HetznerError("deprecated_api_endpoint", "datacenters have been removed");
    });
  }
  for (const kind of ["networks", "floating_ips", "load_balancers", "certificates", "isos"]) {
    app.get(`/${kind}`, async (request) => listPage(request, kind, [], (item) => item));
  }
}
