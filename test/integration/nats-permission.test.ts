/** A NATS user that may not do what the daemon needs: said at once, with what to allow, instead of trying for ever. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareServers } from '../kit/stage.ts'

const USERS = `
accounts {
  APP {
    jetstream: enabled
    users: [
      { user: all, password: all }
      { user: few, password: secret-few, permissions: { publish: { deny: ["p_few.>"] } } }
    ]
  }
}
no_auth_user: all
`
const servers = shareServers({ nats: { config: USERS } })

test('publishing is not allowed: the daemon ends and names the subject', async () => {
  const scene = await servers.scene({
    name: 'few',
    schema: 'CREATE TABLE tb_order (id int PRIMARY KEY)',
    settings: { 'nats.auth': { type: 'user', user: 'few', password: 'secret-few' } },
  })
  const daemon = await scene.start()
  await scene.sql('INSERT INTO tb_order VALUES (1)')
  const { code } = await daemon.ended()
  const { output } = daemon
  assert.equal(code, 1)
  assert.match(output, /may not publish to p_few\.Order\.INSERT/)
  assert.match(output, /permissions \{ publish: "p_few\.Order\.INSERT" \}/)
  assert.doesNotMatch(output, /secret-few/)
  await scene.end()
})
