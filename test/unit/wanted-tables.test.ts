/** Names of rules against relations of a database. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  closeNames,
  findTables,
  isMeantByBareName,
  namesOf,
  publishableTables,
  type RelationFacts,
} from '../../src/source/replication/wanted-tables.ts'

let nextOid = 100
function relation(name: string, facts: Partial<RelationFacts> = {}): RelationFacts {
  const [schema = '', table = ''] = name.split('/')
  const oid = nextOid++
  return {
    oid,
    schema,
    table,
    kind: 'r',
    persistence: 'p',
    root: oid,
    visible: schema === 'public',
    owned: true,
    extension: false,
    ...facts,
  }
}

const order = relation('public/tb_order')
const item = relation('public/tb_order_item')
const hidden = relation('app/tb_invoice')
const other = relation('app/tb_order')
const dotted = relation('public/a.b')
const inA = relation('a/b')
const view = relation('public/v_order', { kind: 'v' })
const unlogged = relation('public/tb_cache', { persistence: 'u' })
const foreignTable = relation('public/tb_far', { kind: 'f' })
const parent = relation('public/tb_event', { kind: 'p' })
const part = relation('public/tb_event_2026', { root: parent.oid })
const all = [order, item, hidden, other, dotted, inA, view, unlogged, foreignTable, parent, part]

const find = (...tables: string[]) =>
  findTables(
    tables.map(table => ({ table, operations: [] })),
    all,
  )

describe('findTables', () => {
  const CASES: readonly [string, RelationFacts][] = [
    ['tb_order', order],
    ['public.tb_order', order],
    ['app.tb_order', other],
    ['app.tb_invoice', hidden],
    ['a.b', inA],
    ['public.a.b', dotted],
    ['tb_event', parent],
    ['tb_event_2026', part],
  ]
  for (const [name, expected] of CASES) {
    it(name, () => {
      const { found, problems } = find(name)
      assert.deepEqual(problems, [])
      assert.deepEqual(
        found.map(({ relation }) => relation),
        [expected],
      )
    })
  }

  it('joins the operations of several rules; none means all, CUSTOM none', () => {
    const { found } = findTables(
      [
        { table: 'tb_order', operations: ['INSERT', 'CUSTOM'] },
        { table: 'public.tb_order', operations: ['TRUNCATE'] },
        { table: 'tb_order_item', operations: [] },
      ],
      all,
    )
    assert.deepEqual(
      found.map(({ operations }) => [...operations]),
      [
        ['insert', 'truncate'],
        ['insert', 'update', 'delete', 'truncate'],
      ],
    )
  })

  it('says all that is wrong at once, with the place', () => {
    const wanted = ['tb_ordr', 'v_order', 'tb_cache', 'tb_far', 'tb_order'].map((table, i) => ({
      table,
      operations: [],
      origin: { file: 'fraiseql.toml', line: i + 1 },
    }))
    const { problems } = findTables(wanted, all)
    assert.deepEqual(
      problems.map(({ message }) => message),
      [
        'fraiseql.toml:1: table "tb_ordr" does not exist; did you mean tb_order, app.tb_order?',
        'fraiseql.toml:2: "v_order" is a view, which has no changes',
        'fraiseql.toml:3: "tb_cache" is unlogged: its changes are not in the WAL',
        'fraiseql.toml:4: "tb_far" is a foreign table, whose changes are made elsewhere',
      ],
    )
    assert.match(problems[2]?.remedy ?? '', /ALTER TABLE "public"\."tb_cache" SET LOGGED;/)
  })

  it('refuses a partition next to its root', () => {
    const { problems } = find('tb_event', 'tb_event_2026')
    assert.match(problems[0]?.message ?? '', /partition public\.tb_event_2026 and its root public\.tb_event/)
  })
})

describe('a table name without its schema', () => {
  const names = namesOf(all, ['public', 'app'])
  const unseen = 9
  const CASES: readonly [string, { schema: string; table: string; oid: number }, boolean][] = [
    ['means the table that the search_path finds', order, true],
    ['means no table of that name in another schema', other, false],
    ['means none outside of the search_path', inA, false],
    ['means the table still by which it was known before it moved', { ...order, schema: 'former' }, true],
    ['means what stood in the same place before', { ...order, oid: unseen }, true],
    ['means a table that came since, if the search_path has it', { ...other, oid: unseen }, true],
    ['means none that came since elsewhere', { ...other, schema: 'archive', oid: unseen }, false],
    ['means what is to come on the search_path', { schema: 'app', table: 'tb_new', oid: unseen }, true],
    ['means nothing else that is to come', { schema: 'archive', table: 'tb_new', oid: unseen }, false],
    ['is none if it reads as a schema and a table that is there', dotted, false],
  ]
  for (const [name, table, meant] of CASES) {
    it(name, () => assert.equal(isMeantByBareName(names, table), meant))
  }
})

describe('closeNames', () => {
  const CASES: readonly [string, string[]][] = [
    ['tb_ordre', ['tb_order', 'app.tb_order']],
    ['order', ['tb_order', 'app.tb_order']],
    ['TB_ORDER', ['tb_order', 'app.tb_order']],
    ['tb_invoice', ['app.tb_invoice']],
    ['ap.tb_invoice', ['app.tb_invoice']],
    ['customer_addresses', []],
  ]
  for (const [name, expected] of CASES) {
    it(name, () => assert.deepEqual(closeNames(name, all).slice(0, Math.max(1, expected.length)), expected))
  }
})

describe('publishableTables', () => {
  const names = (relations: RelationFacts[]) =>
    publishableTables(relations).map(({ relation }) => relation.table)

  it('takes tables and roots, of the role, not of extensions', () => {
    const spatial = relation('public/spatial_ref_sys', { extension: true })
    const theirs = relation('public/theirs', { owned: false })
    assert.deepEqual(names([order, view, unlogged, foreignTable, parent, part, spatial, theirs]), [
      'tb_order',
      'tb_event',
    ])
  })

  it("takes a partition whose root is somebody else's", () => {
    const root = relation('public/root', { kind: 'p', owned: false })
    const mine = relation('public/mine', { root: root.oid })
    assert.deepEqual(names([root, mine]), ['mine'])
  })
})
