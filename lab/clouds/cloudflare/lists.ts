// Pages of a list; beyond the last page there is an empty one, on which clients rely to stop.

import type { FastifyRequest } from "fastify";

/** One page of items in the API's envelope. */
export function pageOf<Item>(
  request: FastifyRequest,
  items: readonly Item[],
  render: (item: Item) => unknown,
  size: { readonly perPage: number; readonly most: number },
): Record<string, unknown> {
  const query = new URL(request.url, "http://cloud").searchParams;
  const whole = (name: string, fallback: number) => {
    const value = Number(query.get(name) ?? fallback);
    return Number.isInteger(value) && value >= 1 ? value : fallback;
  };
  const perPage = Math.min(whole("per_page", size.perPage), size.most);
  const page = whole("page", 1);
  const shown = items.slice((page - 1) * perPage, page * perPage);
  return {
    result: shown.map(render),
    success: true,
    errors: [],
    messages: [],
    result_info: {
      page,
      per_page: perPage,
      count: shown.length,
      total_count: items.length,
      total_pages: Math.ceil(items.length / perPage),
    },
  };
}
