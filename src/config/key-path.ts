/**
 * The path of a key as text: `nats.jetstream.streams."a.b".subjects[0]`. One spelling for error messages, for the
 * index of lines and for the sources of values, so that they can be compared.
 */

export type KeyPath = readonly (string | number)[]

const BARE = /^[A-Za-z0-9_-]+$/

export function formatKeyPath(path: KeyPath): string {
  let text = ''
  for (const segment of path) {
    if (typeof segment === 'number') text += `[${segment}]`
    else text += (text === '' ? '' : '.') + (BARE.test(segment) ? segment : JSON.stringify(segment))
  }
  return text
}
