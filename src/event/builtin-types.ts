/**
 * PostgreSQL's own types by OID, the same in every release from 14 to 18. All other types (enums, domains,
 * composites, extensions, and the row types of catalogs) come from the catalog of the database.
 * https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
 */
import type { ValueType } from './value-type.ts'

const STRING: ValueType = { kind: 'string' }
const PLAIN: ValueType = { kind: 'plain' }
const COMMA = 0x2c

/** Type, OID, OID of its array type (0: none). */
type Entry = readonly [type: ValueType, oid: number, array: number]

const BUILTIN: readonly Entry[] = [
  [{ kind: 'boolean' }, 16, 1000],
  [{ kind: 'integer' }, 21, 1005], // int2
  [{ kind: 'integer' }, 23, 1007], // int4
  [{ kind: 'bigint' }, 20, 1016],
  [{ kind: 'numeric' }, 1700, 1231],
  [{ kind: 'float' }, 700, 1021],
  [{ kind: 'float' }, 701, 1022],
  [{ kind: 'timestamp' }, 1114, 1115],
  [{ kind: 'timestamptz' }, 1184, 1185],
  [{ kind: 'json' }, 114, 199],
  [{ kind: 'json' }, 3802, 3807], // jsonb
  [{ kind: 'char' }, 18, 1002],
  [{ kind: 'vector', element: { kind: 'integer' } }, 22, 1006], // int2vector
  [{ kind: 'vector', element: PLAIN }, 30, 1013], // oidvector
  [STRING, 25, 1009], // text
  [STRING, 1043, 1015], // varchar
  [STRING, 1042, 1014], // bpchar
  [STRING, 19, 1003], // name
  [STRING, 17, 1001], // bytea: its \x becomes \\x
  [STRING, 142, 143], // xml
  [STRING, 790, 791], // money
  [STRING, 1033, 1034], // aclitem
  [STRING, 1790, 2201], // refcursor
  [STRING, 3614, 3643], // tsvector
  [STRING, 3615, 3645], // tsquery
  [STRING, 3642, 3644], // gtsvector
  [STRING, 4072, 4073], // jsonpath
  [STRING, 2275, 1263], // cstring
  [STRING, 194, 0], // pg_node_tree
  [STRING, 3361, 0], // pg_ndistinct
  [STRING, 3402, 0], // pg_dependencies
  [STRING, 5017, 0], // pg_mcv_list
  [STRING, 4600, 0], // pg_brin_bloom_summary
  [STRING, 4601, 0], // pg_brin_minmax_multi_summary
  [STRING, 24, 1008], // regproc
  [STRING, 2202, 2207], // regprocedure
  [STRING, 2203, 2208], // regoper
  [STRING, 2204, 2209], // regoperator
  [STRING, 2205, 2210], // regclass
  [STRING, 2206, 2211], // regtype
  [STRING, 3734, 3735], // regconfig
  [STRING, 3769, 3770], // regdictionary
  [STRING, 4089, 4090], // regnamespace
  [STRING, 4096, 4097], // regrole
  [STRING, 4191, 4192], // regcollation
  [PLAIN, 2950, 2951], // uuid
  [PLAIN, 1082, 1182], // date
  [PLAIN, 1083, 1183], // time
  [PLAIN, 1266, 1270], // timetz
  [PLAIN, 1186, 1187], // interval
  [PLAIN, 26, 1028], // oid: text for to_jsonb, not a number
  [PLAIN, 27, 1010], // tid
  [PLAIN, 28, 1011], // xid
  [PLAIN, 29, 1012], // cid
  [PLAIN, 5069, 271], // xid8
  [PLAIN, 3220, 3221], // pg_lsn
  [PLAIN, 5038, 5039], // pg_snapshot
  [PLAIN, 2970, 2949], // txid_snapshot
  [PLAIN, 650, 651], // cidr
  [PLAIN, 869, 1041], // inet
  [PLAIN, 829, 1040], // macaddr
  [PLAIN, 774, 775], // macaddr8
  [PLAIN, 1560, 1561], // bit
  [PLAIN, 1562, 1563], // varbit
  [PLAIN, 600, 1017], // point
  [PLAIN, 601, 1018], // lseg
  [PLAIN, 602, 1019], // path
  [PLAIN, 603, 1020], // box
  [PLAIN, 604, 1027], // polygon
  [PLAIN, 628, 629], // line
  [PLAIN, 718, 719], // circle
  [STRING, 3904, 3905], // int4range
  [STRING, 3926, 3927], // int8range
  [STRING, 3906, 3907], // numrange
  [STRING, 3908, 3909], // tsrange
  [STRING, 3910, 3911], // tstzrange
  [STRING, 3912, 3913], // daterange
  [STRING, 4451, 6150], // int4multirange
  [STRING, 4536, 6157], // int8multirange
  [STRING, 4532, 6151], // nummultirange
  [STRING, 4533, 6152], // tsmultirange
  [STRING, 4534, 6153], // tstzmultirange
  [STRING, 4535, 6155], // datemultirange
]

const BOX_ARRAY = 1020
const types = new Map<number, ValueType>(BUILTIN.flatMap(entriesOf))

export function builtinType(oid: number): ValueType | undefined {
  return types.get(oid)
}

/** The box is the one type whose arrays don't use commas: its text holds them. */
function entriesOf([element, oid, array]: Entry): [number, ValueType][] {
  const delimiter = array === BOX_ARRAY ? 0x3b : COMMA
  return array === 0
    ? [[oid, element]]
    : [
        [oid, element],
        [array, { kind: 'array', element, delimiter }],
      ]
}
