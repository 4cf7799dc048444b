/**
 * In which encoding PostgreSQL sends text. Everything is UTF-8, which it makes of the database's own encoding, except
 * where the database is SQL_ASCII: then it does not know what its bytes mean, and would refuse those that are no UTF-8,
 * the same ones again at each start. They are taken as they are.
 */
import type { Client } from 'pg'
import { TIME_LIMIT } from '../../postgres.ts'
import { classifyPostgresError } from '../../postgres-codes.ts'

/** `client` is a replication session. */
export async function acceptAnyBytes(client: Client): Promise<void> {
  try {
    await client.query({
      text: `SELECT set_config('client_encoding', 'SQL_ASCII', false)
             WHERE current_setting('server_encoding') = 'SQL_ASCII'`,
      ...TIME_LIMIT,
    })
  } catch (error) {
    throw classifyPostgresError(error, { replication: true })
  }
}
