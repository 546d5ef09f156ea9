// Lists of the API: filters that every resource has (`name`, `label_selector`, `sort`) and pages.

import type { FastifyRequest } from "fastify";
import { invalidInput } from "./errors";
import { checkLabelSelector, labelSelector } from "./labels";
import type { Labels } from "./state";

/** The values of a query parameter, which may be given more than once. */
export function queryValues(request: FastifyRequest, name: string): readonly string[] {
  const query = new URL(request.url, "http://cloud").searchParams;
  return query.getAll(name);
}

function positive(request: FastifyRequest, name: string, fallback: number): number {
  const [text] = queryValues(request, name);
  if (text === undefined) {
    return fallback;
  }
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw invalidInput(name, `'${text}' is not a positive number`);
  }
  return value;
}

interface Listed {
  readonly id: number;
  readonly name?: string | null;
  readonly created?: string;
  readonly status?: string;
  readonly command?: string;
  readonly labels?: Labels;
}

function sortValue(item: Listed, key: string): string | number | null | undefined {
  switch (key) {
    case "id":
      return item.id;
    case "name":
      return item.name;
    case "created":
      return item.created;
    case "status":
      return item.status;
    case "command":
      return item.command;
    default:
      return undefined;
  }
}

function sorted<Item extends Listed>(request: FastifyRequest, items: readonly Item[]): Item[] {
  const orders = queryValues(request, "sort").map((text) => {
    const [key = "", direction = "asc"] = text.split(":");
    return { key, sign: direction === "desc" ? -1 : 1 };
  });
  return [...items].sort((left, right) => {
    for (const { key, sign } of orders) {
      const a = sortValue(left, key) ?? "";
      const b = sortValue(right, key) ?? "";
      if (a !== b) {
        return a < b ? -sign : sign;
      }
    }
    return left.id - right.id;
  });
}

/** Filters, sorts and pages items, and renders only those on the page. */
export function listPage<Item extends Listed>(
  request: FastifyRequest,
  key: string,
  items: readonly Item[],
  render: (item: Item) => unknown,
): Record<string, unknown> {
  const names = queryValues(request, "name");
  const [selector] = queryValues(request, "label_selector");
  if (selector !== undefined && selector !== "") {
    checkLabelSelector(selector, "label_selector");
  }
  const matches = labelSelector(selector ?? "");
  const found = sorted(
    request,
    items.filter(
      (item) =>
        (names.length === 0 || names.includes(item.name ?? "")) && matches(item.labels ?? {}),
    ),
  );
  const perPage = Math.min(positive(request, "per_page", 25), 50);
  const page = positive(request, "page", 1);
  const lastPage = Math.max(1, Math.ceil(found.length / perPage));
  return {
    [key]: found.slice((page - 1) * perPage, page * perPage).map(render),
    meta: {
      pagination: {
        page,
        per_page: perPage,
        previous_page: page > 1 ? page - 1 : null,
        next_page: page < lastPage ? page + 1 : null,
        last_page: lastPage,
        total_entries: found.length,
      },
    },
  };
}
