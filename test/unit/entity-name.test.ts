import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { entityName, snakeCase } from '../../src/event/entity-name.ts'

const NAMES: readonly (readonly [string, string])[] = [
  ['tb_order', 'Order'],
  ['tb_order_item', 'OrderItem'],
  ['order', 'Order'],
  ['orders', 'Orders'],
  ['tb_orders', 'Orders'],
  ['tb_2fa_code', '2faCode'],
  ['tb_order_2024', 'Order2024'],
  ['TB_ORDER', 'ORDER'],
  ['OrderItem', 'OrderItem'],
  ['tb_orderItem', 'OrderItem'],
  ['_audit_log', 'AuditLog'],
  ['__tb_order', 'Order'],
  ['tb__order__item_', 'OrderItem'],
  ['tb_tb_order', 'TbOrder'],
  ['tbl_order', 'TblOrder'],
  ['tb_my table', 'MyTable'],
  ['tb_a.b*c>d', 'ABCD'],
  ['tb_say "hi"', 'SayHi'],
  ['tb_größe', 'Größe'],
  ['tb_ödland', 'Ödland'],
  ['tb_注文_明細', '注文明細'],
  ['tb_ﬁn', 'FIn'],
  ['tb_e\u0301te\u0301', 'E\u0301te\u0301'],
  ['tb_𐐨x', '𐐀x'],
  ['tb_', 'Tb'],
  ['___', '___'],
  ['🚚', '🚚'],
  ['tb_🚚', 'Tb'],
  ['', '_'],
]

test('a table gives its entity', () => {
  for (const [table, entity] of NAMES) assert.equal(entityName(table), entity, JSON.stringify(table))
})

const SNAKES: readonly (readonly [string, string])[] = [
  ['Order', 'order'],
  ['OrderItem', 'order_item'],
  ['HTTPRequest', 'http_request'],
  ['OrderV2', 'order_v2'],
  ['Order2Item', 'order2_item'],
  ['ORDER', 'order'],
  ['order_item', 'order_item'],
  ['My Entity', 'my_entity'],
  ['Größe', 'größe'],
  ['ÄrgerÖl', 'ärger_öl'],
  ['注文', '注文'],
  ['___', '___'],
]

test('an entity in snake case', () => {
  for (const [entity, snake] of SNAKES) assert.equal(snakeCase(entity), snake, JSON.stringify(entity))
})

test('whatever the table is called, the entity is not empty and comes out the same again', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 63 }), table => {
      const entity = entityName(table)
      assert.notEqual(entity, '')
      assert.notEqual(snakeCase(entity), '')
      assert.equal(
        entityName(`tb_${table}`) === entity || /^_*tb_/i.test(table) || !/[\p{L}\p{M}\p{N}]/u.test(table),
        true,
      )
    }),
  )
})
