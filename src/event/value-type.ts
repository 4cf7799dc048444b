/**
 * What the encoder must know of a column's type to turn its text into the JSON that `to_jsonb` gives. Plain data, so
 * that encoding stays pure; `source/replication` fills it from built-in OIDs and, for other types, from the catalog.
 * Follows json_categorize_type and datum_to_jsonb of PostgreSQL:
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/jsonb.c
 */

export type ValueType =
  /** Everything without a rule of its own: a JSON string of the text. */
  | { readonly kind: 'string' }
  /** As 'string', but the text can't hold a character that JSON escapes (uuid, date, inet, ...). */
  | { readonly kind: 'plain' }
  | { readonly kind: 'boolean' }
  /** int2, int4, oid-free small integers: always a JSON number. */
  | { readonly kind: 'integer' }
  /** int8: a JSON number, or a string with `numbers = "string"`. */
  | { readonly kind: 'bigint' }
  /** numeric: as bigint; NaN and infinities are strings. */
  | { readonly kind: 'numeric' }
  /** float4, float8: a JSON number without exponent; NaN and infinities are strings. */
  | { readonly kind: 'float' }
  | { readonly kind: 'timestamp' }
  | { readonly kind: 'timestamptz' }
  /** "char": one byte, which PostgreSQL before 16 sends raw even if that is no UTF-8. */
  | { readonly kind: 'char' }
  /** json, jsonb: verbatim. */
  | { readonly kind: 'json' }
  /** The extension's type, which has a cast to json: an object whose values are strings or null. */
  | { readonly kind: 'hstore' }
  /** `delimiter`: the byte between elements in array text (`,`; `;` for box). */
  | { readonly kind: 'array'; readonly element: ValueType; readonly delimiter: number }
  /** int2vector, oidvector: numbers separated by spaces. */
  | { readonly kind: 'vector'; readonly element: ValueType }
  | {
      readonly kind: 'composite'
      readonly fields: readonly { readonly name: string; readonly type: ValueType }[]
    }
