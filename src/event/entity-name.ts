/**
 * The name of an entity from the name of its table: `tb_order_item` -> `OrderItem`, singular as written. It
 * is a part of every default subject and of every message, so this mapping is as stable as a wire format:
 * test/unit/entity-name holds its table of cases, docs/routing.md the sentences.
 */

/** A run of letters, marks and digits of any script; everything else only separates words. */
const WORD = /[\p{L}\p{M}\p{N}]+/gu

/** Never empty: a name without any letter or digit stays as it is written. */
export function entityName(table: string): string {
  const entity = pascalCase(table.replace(/^_*tb_/i, '')) || pascalCase(table) || table
  return entity === '' ? '_' : entity
}

/**
 * `OrderItem` -> `order_item`, `HTTPRequest` -> `http_request`; used for the key `order_item_id` of a
 * message.
 */
export function snakeCase(entity: string): string {
  const words = entity.match(WORD) ?? [entity]
  return words
    .map(word =>
      word.replace(/(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/gu, '_').toLowerCase(),
    )
    .join('_')
}

function pascalCase(name: string): string {
  return (name.match(WORD) ?? []).map(capitalise).join('')
}

/** The rest of a word stays as it is: `orderItem` was written with its own capitals. */
function capitalise(word: string): string {
  const first = String.fromCodePoint(word.codePointAt(0)!)
  return first.toUpperCase() + word.slice(first.length)
}
