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
      { user: scanless, password: x, permissions: { publish: { deny: ["$JS.API.CONSUMER.>"] } } }
      { user: pullless, password: x, permissions: { publish: { deny: ["$JS.API.CONSUMER.MSG.NEXT.>"] } } }
      { user: deaf, password: x, permissions: { publish: ">", subscribe: { deny: ["_INBOX.>"] } } }
    ]
  }
}
no_auth_user: all
`
const servers = shareServers({ nats: { config: USERS } })

const sceneOf = (user: string) =>
  servers.scene({
    name: user,
    schema: 'CREATE TABLE tb_order (id int PRIMARY KEY)',
    settings: { 'nats.auth': { type: 'user', user, password: 'x' } },
  })

/** A daemon of that user, which reads back so many messages of somebody else that it would use a consumer. */
async function readsBack(user: string) {
  const scene = await sceneOf(user)
  const daemon = await scene.start()
  for (let i = 0; i < 50; i++) await servers.nc.request(`${scene.prefix}.other`, '', { timeout: 5_000 })
  await scene.sql('INSERT INTO tb_order VALUES (1)')
  return { scene, daemon }
}

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

test('consumers are not allowed: the stream is read without them', async () => {
  const { scene, daemon } = await readsBack('scanless')
  assert.equal((await scene.messages()).length, 51)
  assert.doesNotMatch(daemon.output, /may not/)
  await daemon.stop()
  await scene.end()
})

test('what is to be allowed is named without what was made up for one time', async () => {
  const pullless = await readsBack('pullless')
  await pullless.daemon.ended()
  assert.match(
    pullless.daemon.output,
    /permissions { publish: "\$JS\.API\.CONSUMER\.MSG\.NEXT\.pullless\.>" }/,
  )
  const deaf = (await sceneOf('deaf')).launch()
  await deaf.ended()
  assert.match(deaf.output, /permissions { subscribe: "_INBOX\.>" }/)
})
