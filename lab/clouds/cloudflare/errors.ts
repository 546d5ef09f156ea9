// Errors of the Cloudflare API: numbered, in an envelope, never to be retried by a client.

/** A refusal in the API's own shape. */
export class CloudflareError extends Error {
  constructor(
    readonly status: number,
    readonly code: number,
    message: string,
    readonly chain: readonly { readonly code: number; readonly message: string }[] = [],
  ) {
    super(message);
  }

  get body(): unknown {
    const chain = this.chain.length === 0 ? {} : { error_chain: this.chain };
    return {
      result: null,
      success: false,
      errors: [{ code: this.code, message: this.message, ...chain }],
      messages: [],
    };
  }
}

/** A record that does not pass validation: 1004, with the cause in the chain. */
export function invalidRecord(code: number, message: string): CloudflareError {
  return new CloudflareError(400, 1004, "DNS Validation Error", [{ code, message }]);
}

/** An id that is not one, or a path that does not exist. */
export function noRoute(path: string): CloudflareError {
  return new CloudflareError(
    404,
    7003,
    `Could not route to ${path}, perhaps your object identifier is invalid?`,
  );
}
