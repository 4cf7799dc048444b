/** Generated columns are the one thing of a row that PostgreSQL does not always send, as the documentation says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareServers } from '../kit/stage.ts'

const servers = shareServers()

test('stored ones come from PostgreSQL 18 on, virtual ones never', async () => {
  const modern = servers.postgres.major >= 18
  const stage = await servers.scene({
    name: 'generated',
    schema: `CREATE TABLE tb_order (
      id int PRIMARY KEY, net int, gross int GENERATED ALWAYS AS (net * 2) STORED
      ${modern ? ', tax int GENERATED ALWAYS AS (net * 3) VIRTUAL' : ''})`,
  })
  await stage.start()
  await stage.sql('INSERT INTO tb_order VALUES (1, 5)')
  await stage.sql('UPDATE tb_order SET net = 6')
  assert.deepEqual(
    (await stage.events()).map(({ data }) => data),
    modern
      ? [
          { id: 1, net: 5, gross: 10 },
          { id: 1, net: 6, gross: 12 },
        ]
      : [
          { id: 1, net: 5 },
          { id: 1, net: 6 },
        ],
  )
  await stage.end()
})
