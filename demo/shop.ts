/**
 * The shop that writes orders, over one ordinary connection: each order comes with its items in one transaction, is
 * paid, and is then shipped, changed or cancelled. It keeps a list of all rows that it changed, in commit order: what
 * the stream must hold.
 */
import pg from 'pg'
import type { Change } from './change.ts'

interface OrderRow {
  readonly pk_order: string
  readonly id: string
  readonly status: string
}

interface ItemRow {
  readonly id: string
  readonly quantity: number
}

const CUSTOMERS = ['Ada', 'Björn', 'Chloé', 'Dmitri', 'Emi', 'Fatima', 'Grace', 'Hugo']
const PRODUCTS: readonly [name: string, price: string][] = [
  ['coffee beans', '12.50'],
  ['teapot', '34.00'],
  ['filter paper', '2.95'],
  ['milk jug', '18.20'],
  ['honey', '7.80'],
]

export class Shop {
  /** Every row change that is committed, in commit order. */
  readonly written: Change[] = []
  orders = 0
  readonly #client: pg.Client

  private constructor(client: pg.Client) {
    this.#client = client
  }

  static async open(url: string): Promise<Shop> {
    const client = new pg.Client({ connectionString: url })
    // A server that goes away is told by the query under way.
    client.on('error', () => {})
    await client.connect()
    return new Shop(client)
  }

  close(): Promise<void> {
    return this.#client.end()
  }

  /** The life of one order. `pause` comes between its transactions; it ends early when `pause` says so. */
  async order(pause: () => Promise<'go on' | 'stop'>): Promise<void> {
    const number = ++this.orders
    const { pk_order: order } = await this.#create(number)
    if ((await pause()) === 'stop') return
    await this.#setStatus(order, 'paid')
    if ((await pause()) === 'stop') return
    const fate = number % 3
    if (fate === 1) await this.#setStatus(order, 'shipped')
    else if (fate === 2) await this.#addOne(order)
    else await this.#cancel(order)
    await pause()
  }

  /** One transaction of several rows: the order and its items. */
  #create(number: number): Promise<OrderRow> {
    const items = PRODUCTS.slice(0, 1 + (number % 3)).map((_, i) => PRODUCTS[(number + i) % PRODUCTS.length]!)
    return this.#transaction(async changes => {
      const [order] = await this.#rows<OrderRow>(
        `INSERT INTO tb_order (identifier, customer, total)
         VALUES ($1, $2, (SELECT sum(price) FROM unnest($3::numeric[]) price)) RETURNING pk_order, id, status`,
        [`ORD-${number}`, CUSTOMERS[number % CUSTOMERS.length], items.map(([, price]) => price)],
      )
      changes.push(...ofOrders('INSERT', [order!]))
      for (const [product, price] of items) {
        const added = await this.#rows<ItemRow>(
          `INSERT INTO tb_order_item (fk_order, product, quantity, price)
           VALUES ($1, $2, 1, $3) RETURNING id, quantity`,
          [order!.pk_order, product, price],
        )
        changes.push(...ofItems('INSERT', added))
      }
      return order!
    })
  }

  /** A statement alone is a transaction, too. */
  async #setStatus(order: string, status: string): Promise<void> {
    const rows = await this.#rows<OrderRow>(
      'UPDATE tb_order SET status = $2 WHERE pk_order = $1 RETURNING pk_order, id, status',
      [order, status],
    )
    this.written.push(...ofOrders('UPDATE', rows))
  }

  #addOne(order: string): Promise<void> {
    return this.#transaction(async changes => {
      const items = await this.#rows<ItemRow>(
        `UPDATE tb_order_item SET quantity = quantity + 1
         WHERE pk_order_item = (SELECT min(pk_order_item) FROM tb_order_item WHERE fk_order = $1)
         RETURNING id, quantity`,
        [order],
      )
      const orders = await this.#rows<OrderRow>(
        `UPDATE tb_order SET total = (SELECT sum(quantity * price) FROM tb_order_item WHERE fk_order = $1)
         WHERE pk_order = $1 RETURNING pk_order, id, status`,
        [order],
      )
      changes.push(...ofItems('UPDATE', items), ...ofOrders('UPDATE', orders))
    })
  }

  #cancel(order: string): Promise<void> {
    return this.#transaction(async changes => {
      const items = await this.#rows<ItemRow>(
        'DELETE FROM tb_order_item WHERE fk_order = $1 RETURNING id, quantity',
        [order],
      )
      const orders = await this.#rows<OrderRow>(
        'DELETE FROM tb_order WHERE pk_order = $1 RETURNING pk_order, id, status',
        [order],
      )
      changes.push(...ofItems('DELETE', items), ...ofOrders('DELETE', orders))
    })
  }

  async #transaction<T>(work: (changes: Change[]) => Promise<T>): Promise<T> {
    const changes: Change[] = []
    await this.#client.query('BEGIN')
    const result = await work(changes)
    await this.#client.query('COMMIT')
    this.written.push(...changes)
    return result
  }

  async #rows<Row extends pg.QueryResultRow>(text: string, values: unknown[]): Promise<Row[]> {
    return (await this.#client.query<Row>(text, values)).rows
  }
}

function ofOrders(operation: Change['operation'], rows: readonly OrderRow[]): Change[] {
  return rows.map(({ id, status }) => ({ operation, entity: 'Order', id, value: status }))
}

function ofItems(operation: Change['operation'], rows: readonly ItemRow[]): Change[] {
  return rows.map(({ id, quantity }) => ({ operation, entity: 'OrderItem', id, value: String(quantity) }))
}
