/**
 * The content of a logical message: any bytes. JSON stays as it is, other UTF-8 becomes a JSON string, and what is not
 * UTF-8 a string of base64, which the formats flag.
 */
import { isUtf8 } from 'node:buffer'
import type { ByteWriter } from './bytes.ts'
import { writeString } from './encode-text.ts'

export type ContentEncoding = 'json' | 'text' | 'base64'

export function writeContent(out: ByteWriter, content: Uint8Array): ContentEncoding {
  if (!isUtf8(content)) {
    writeBase64(out, content)
    return 'base64'
  }
  if (isJson(content)) {
    out.bytes(content)
    return 'json'
  }
  const base = content.byteOffset
  writeString(out, out.sourceView(content), base, base + content.length)
  return 'text'
}

export function writeBase64(out: ByteWriter, content: Uint8Array): void {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.length)
  out.text(`"${bytes.toString('base64')}"`)
}

function isJson(content: Uint8Array): boolean {
  try {
    JSON.parse(Buffer.from(content.buffer, content.byteOffset, content.length).toString('utf8'))
    return true
  } catch {
    return false
  }
}
