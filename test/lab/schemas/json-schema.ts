// The few JSON Schema forms that the clouds' contracts are written in. Every object is closed: a field
// that is not named is a violation.

/** A JSON Schema, draft-07. */
export type Schema = Readonly<Record<string, unknown>>;

type Fields = Readonly<Record<string, Schema>>;

export const text: Schema = { type: "string" };
export const name: Schema = { type: "string", minLength: 1 };
export const integer: Schema = { type: "integer" };
export const id: Schema = { type: "integer", minimum: 1 };
export const number: Schema = { type: "number" };
export const flag: Schema = { type: "boolean" };
export const none: Schema = { type: "null" };

/** A moment as in RFC 3339. */
export const moment: Schema = {
  type: "string",
  pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$",
};

export const oneOf = (...values: readonly unknown[]): Schema => ({ enum: values });
export const either = (...schemas: readonly Schema[]): Schema => ({ anyOf: schemas });
export const nullable = (schema: Schema): Schema => either(schema, none);
export const list = (items: Schema): Schema => ({ type: "array", items });
export const emptyList: Schema = { type: "array", maxItems: 0 };
export const matching = (pattern: string): Schema => ({ type: "string", pattern });

/** An object of just these fields. */
export const object = (required: Fields, optional: Fields = {}): Schema => ({
  type: "object",
  properties: { ...required, ...optional },
  required: Object.keys(required),
  additionalProperties: false,
});

/** An object whose keys are data. */
export const mapOf = (values: Schema): Schema => ({
  type: "object",
  additionalProperties: values,
});

/** What one call may ask, and what it answers. */
export interface Operation {
  /** Names of the query parameters that it takes. */
  readonly query?: readonly string[];
  /** The body that it takes; none where absent. */
  readonly body?: Schema;
  /** The status of its own answer: of success, or of the refusal where it always refuses. */
  readonly status: number;
  /** The body of that answer; none where absent. */
  readonly answer?: Schema;
}

/** The operations of an API by method and path, such as `GET /servers/:id`. */
export type Operations = Readonly<Record<string, Operation>>;
