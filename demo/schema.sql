-- The order schema as FraiseQL lays one out: tables tb_*, each with an internal pk_* and a public id; views v_* that
-- give an object as JSONB. The views are what GraphQL reads; the tables are what changes, so events come from them.

CREATE TABLE tb_order (
    pk_order   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    identifier text NOT NULL UNIQUE,
    customer   text NOT NULL,
    status     text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'paid', 'shipped', 'cancelled')),
    total      numeric(10, 2) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tb_order_item (
    pk_order_item bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id            uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    fk_order      bigint NOT NULL REFERENCES tb_order,
    product       text NOT NULL,
    quantity      integer NOT NULL CHECK (quantity > 0),
    price         numeric(10, 2) NOT NULL
);

CREATE INDEX ON tb_order_item (fk_order);

-- With the default identity PostgreSQL tells of a deleted row just its primary key, and of an updated row nothing of
-- what it was. FULL writes the whole old row to the WAL: events then say what changed, and deletes know their id.
ALTER TABLE tb_order REPLICA IDENTITY FULL;
ALTER TABLE tb_order_item REPLICA IDENTITY FULL;

CREATE VIEW v_order AS
SELECT o.pk_order,
       o.id,
       jsonb_build_object(
           'id', o.id,
           'identifier', o.identifier,
           'customer', o.customer,
           'status', o.status,
           'total', o.total,
           'created_at', o.created_at,
           'items', coalesce(
               (SELECT jsonb_agg(jsonb_build_object('id', i.id, 'product', i.product, 'quantity', i.quantity,
                                                    'price', i.price) ORDER BY i.pk_order_item)
                FROM tb_order_item i
                WHERE i.fk_order = o.pk_order),
               '[]'::jsonb)
       ) AS data
FROM tb_order o;
