/**
 * Types that are not PostgreSQL's own (enums, domains, composites, ranges, extensions, and arrays of any of them), by
 * OID, read from the catalog and sorted into the kinds of JSON that `to_jsonb` makes of them. The catalog tells what a
 * type is now, not what it was when a change was made; of a type that is gone since, the text goes out as a string.
 * Follows json_categorize_type:
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/jsonfuncs.c
 */
import { isDeepStrictEqual } from 'node:util'
import type { Client } from 'pg'
import { type PoisonError, RetryableError } from '../../errors.ts'
import { builtinType } from '../../event/builtin-types.ts'
import type { ValueType } from '../../event/value-type.ts'
import { classifyPostgresError } from '../../postgres-codes.ts'

/** A row of pg_type with what belongs to it; OIDs that do not apply are 0. */
export interface CatalogType {
  readonly oid: number
  readonly name: string
  /** pg_type.typtype: b base, c composite, d domain, e enum, m multirange, p pseudo, r range. */
  readonly kind: string
  /** Of a domain: the type beneath. */
  readonly base: number
  /** Of a true array: the element and the character between elements. */
  readonly element: number
  readonly delimiter: string
  /** Of a composite, in order; dropped ones are not there. */
  readonly fields: readonly { readonly name: string; readonly oid: number }[]
  /** The extension it came with; null: none. */
  readonly extension: string | null
}

const STRING: ValueType = { kind: 'string' }

/** The types asked for and all they are made of. Only a true array has this handler; an int2vector has not. */
const TYPES = `
  WITH RECURSIVE needed(oid) AS (
    SELECT unnest($1::oid[])
    UNION
    SELECT part.oid FROM needed n JOIN pg_type t ON t.oid = n.oid CROSS JOIN LATERAL (
      SELECT t.typbasetype AS oid WHERE t.typtype = 'd'
      UNION ALL SELECT t.typelem WHERE t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc
      UNION ALL SELECT a.atttypid FROM pg_attribute a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ) part
  )
  SELECT t.oid::text, t.typname AS name, t.typtype AS kind, t.typbasetype::text AS base,
         CASE WHEN t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc
              THEN t.typelem ELSE 0 END::text AS element,
         coalesce((SELECT e.typdelim FROM pg_type e WHERE e.oid = t.typelem), ',') AS delimiter,
         coalesce((
           SELECT json_agg(json_build_object('name', a.attname, 'oid', a.atttypid::bigint) ORDER BY a.attnum)
           FROM pg_attribute a
           WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
         ), '[]') AS fields,
         (SELECT x.extname FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid
           WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
             AND d.refclassid = 'pg_extension'::regclass LIMIT 1) AS extension
  FROM needed n JOIN pg_type t ON t.oid = n.oid`

export class TypeCatalog {
  readonly #client: Client
  readonly #types = new Map<number, ValueType>()
  /** A table that was described before the last load has another type in hand. */
  #altered = false

  /** An ordinary session, not the one that streams. */
  constructor(client: Client) {
    this.#client = client
  }

  isBuiltin(oid: number): boolean {
    return builtinType(oid) !== undefined
  }

  /** undefined: not loaded yet. */
  get(oid: number): ValueType | undefined {
    return builtinType(oid) ?? this.#types.get(oid)
  }

  /** Reads them (again) from the catalog. Afterwards `get` knows each of them; one that does not exist is a string. */
  async load(oids: readonly number[]): Promise<void> {
    const wanted = [...new Set(oids)].filter(oid => !this.isBuiltin(oid))
    if (wanted.length === 0) return
    const catalog = await this.#read(wanted)
    for (const oid of wanted) {
      if (this.#differs(oid, catalog)) this.#altered = true
      this.#types.set(oid, valueTypeOf(oid, catalog))
    }
  }

  /**
   * Whether a type in use is another one in the catalog by now. Only composites can be: PostgreSQL describes a table
   * anew when its columns change, but not when the attributes of their types do.
   */
  async altered(): Promise<boolean> {
    const composites = [...this.#types].flatMap(([oid, type]) => (holdsComposite(type) ? [oid] : []))
    if (this.#altered || composites.length === 0) return this.#altered
    const catalog = await this.#read(composites)
    return composites.some(oid => this.#differs(oid, catalog))
  }

  #differs(oid: number, catalog: ReadonlyMap<number, CatalogType>): boolean {
    const known = this.#types.get(oid)
    return known !== undefined && !isDeepStrictEqual(known, valueTypeOf(oid, catalog))
  }

  async #read(oids: readonly number[]): Promise<ReadonlyMap<number, CatalogType>> {
    type Row = Omit<CatalogType, 'oid' | 'base' | 'element'> & Record<'oid' | 'base' | 'element', string>
    try {
      const { rows } = await this.#client.query<Row>(TYPES, [oids])
      const types = rows.map(row => ({
        ...row,
        oid: Number(row.oid),
        base: Number(row.base),
        element: Number(row.element),
      }))
      return new Map(types.map(type => [type.oid, type]))
    } catch (error) {
      throw classifyPostgresError(error)
    }
  }
}

/** Pure: how `to_jsonb` treats the type. */
export function valueTypeOf(oid: number, catalog: ReadonlyMap<number, CatalogType>): ValueType {
  const builtin = builtinType(oid)
  if (builtin !== undefined) return builtin
  const type = catalog.get(oid)
  if (type === undefined) return STRING
  if (type.kind === 'd') return valueTypeOf(type.base, catalog)
  if (type.element !== 0) {
    const delimiter = type.delimiter.charCodeAt(0)
    return { kind: 'array', element: valueTypeOf(type.element, catalog), delimiter }
  }
  if (type.kind === 'c') {
    const fields = type.fields.map(({ name, oid }) => ({ name, type: valueTypeOf(oid, catalog) }))
    return { kind: 'composite', fields }
  }
  return isHstore(type) ? { kind: 'hstore' } : STRING
}

function isHstore({ name, extension }: CatalogType): boolean {
  return name === 'hstore' && extension === 'hstore'
}

function holdsComposite(type: ValueType): boolean {
  return type.kind === 'composite' || (type.kind === 'array' && holdsComposite(type.element))
}

/** Ends the run that read the types. */
export function typesStale(what: string, cause?: PoisonError): RetryableError {
  return new RetryableError(what, {
    code: 'TYPES_STALE',
    remedy: 'The daemon reads the types again, and goes on from where it was.',
    cause,
  })
}
